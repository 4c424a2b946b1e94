"""The installer: the one command that knows how a product is put in place, loaded and taken back.

    CMD running PRODUCT                     print the counter that runs now, or nothing; exit 0
    CMD install PRODUCT COUNTER PACKAGE     put the package aside; nothing may load it yet
    CMD load    PRODUCT COUNTER PACKAGE     let it run: 0 it runs now, 10 it will after the next restart
    CMD revert  PRODUCT COUNTER [PACKAGE]   let that counter run again (empty: no release at all)

The same is in the environment (ROLLOUT_ACTION, _PRODUCT, _COUNTER, _PACKAGE). Every action may be cut off anywhere and
is then called again. Its lock outlives the agent: a killed agent's installer is waited for, not raced with.
"""

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from rollout.adapters.engine.lock import take
from rollout.directive.facts import LARGEST
from rollout.errors import BusyError, InvalidError, SurroundingsError

LATER = 10  # the exit code of `load` that asks for a restart
LOCK = "installer.lock"


class Installer:
    """Runs the command, one action at a time; `timeout` in seconds, after which it is killed and has failed.

    `changed` is called when another release may run than before.
    """

    def __init__(self, command: str, folder: Path, timeout: float, changed: Callable[[], None] = lambda: None) -> None:
        try:
            self._argv = shlex.split(command)
        except ValueError as error:
            raise InvalidError(f"--installer {command!r} cannot be read: {error}", slug="installer") from error
        if not self._argv:
            raise InvalidError("--installer names no command", slug="installer")
        self._folder = folder
        self._timeout = timeout
        self._changed = changed

    def running(self, product: str) -> int | None:
        """The counter that runs now, None where the product is not there; SurroundingsError where nobody knows."""
        code, said = self._run("running", product)
        text = said.strip()
        if code != 0 or not (text == "" or (text.isascii() and text.isdecimal() and int(text) <= LARGEST)):
            detail = f"what {product} runs is not known: the installer exited {code} and said {text!a:.80}"
            raise SurroundingsError(detail, slug="installer")
        return int(text) if text else None

    def install(self, product: str, counter: int, package: Path) -> int:
        """Put a verified package aside; the exit code."""
        return self._run("install", product, str(counter), str(package))[0]

    def load(self, product: str, counter: int, package: Path) -> int:
        """Let it run; the exit code."""
        return self._change("load", product, str(counter), str(package))

    def revert(self, product: str, counter: int | None, package: Path | None) -> int:
        """Let `counter` run again, None: no release at all; the exit code."""
        rest = () if package is None else (str(package),)
        return self._change("revert", product, "" if counter is None else str(counter), *rest)

    def free(self) -> bool:
        """Whether no installer of an earlier life is still at work."""
        descriptor = take(self._folder / LOCK)
        if descriptor is None:
            return False
        os.close(descriptor)
        return True

    def _change(self, action: str, product: str, *rest: str) -> int:
        self._changed()  # before too: an agent that dies in the middle comes back to no word of the old release
        code, _ = self._run(action, product, *rest)
        self._changed()
        return code

    def _run(self, action: str, product: str, *rest: str) -> tuple[int, str]:
        lock = take(self._folder / LOCK)
        if lock is None:
            raise BusyError("an installer of an earlier run is still at work", slug="installer-busy")
        try:
            process = subprocess.Popen(
                [*self._argv, action, product, *rest],
                env=_environment(action, product, rest),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,  # so that all of it can be ended at once
                pass_fds=(lock,),
            )
            return self._awaited(process)
        except OSError as error:
            raise SurroundingsError(f"the installer cannot be run: {error}", slug="installer") from error
        finally:
            os.close(lock)

    def _awaited(self, process: "subprocess.Popen[str]") -> tuple[int, str]:
        try:
            said, _ = process.communicate(timeout=self._timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
        return process.returncode, said


def _environment(action: str, product: str, rest: Sequence[str]) -> dict[str, str]:
    """Ours without what is not the installer's business, and the facts of this call."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROLLOUT_")}
    counter, package = (*rest, "", "")[:2]
    told = {"ACTION": action, "PRODUCT": product, "COUNTER": counter, "PACKAGE": package}
    return kept | {f"ROLLOUT_{name}": value for name, value in told.items()}
