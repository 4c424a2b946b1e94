"""One supervised process: started tethered, restarted when dead, known by its pid file."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rollout.service.up.pulse import Asking, Pulse

LOG_BYTES = 10 << 20  # above this a log is set aside; one older one is kept
SECONDS_BETWEEN_STARTS = 1.0  # so that one that cannot run does not eat a core; a restart is due within 2 s


@dataclass(frozen=True, slots=True)
class Role:
    """What to run: a name, the command line (tethered), its environment, and what to do before a start.

    `asks`: whether it is well, within seconds; None where nobody can tell. `turns`: files by whose lock it may keep
    others from writing.
    """

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    before: Callable[[], None] = lambda: None
    asks: Asking | None = None
    turns: Collection[Path] = ()


class Child:
    """A role while `up` runs. All methods are called from one thread, which must outlive the child."""

    def __init__(self, role: Role, data: Path) -> None:
        self.role = role
        self.deaths = 0
        self.log = data / "log" / f"{role.name}.log"
        self._pid = data / "run" / f"{role.name}.pid"
        self._process: subprocess.Popen[bytes] | None = None
        self._pulse = Pulse(role.asks, role.turns)
        self._started = float("-inf")
        self._is_told = False  # its pid file is the present process's

    def tend(self, now: float) -> str | None:
        """Start it if it is not running and was not started just now; in words how it ended, or why it cannot start."""
        ended = None
        if self._process is not None and (code := self._process.poll()) is not None:
            ended = f"ended ({_ending(code)})"
            self._process = None
        if self._process is None and now - self._started >= SECONDS_BETWEEN_STARTS:
            self._started = now
            try:
                self._start()
            except OSError as error:
                ended = f"cannot be started ({error})"
        self.deaths += ended is not None
        self._keep()
        return ended

    def kill_if_lost(self) -> str | None:
        """End it by force where it makes no progress, so that `tend` starts it anew; why, or None."""
        why = None if self._process is None else self._pulse.lost(self._process.pid)
        if why is not None and self._process is not None:
            self._process.kill()
            self._pulse.born()
        return why

    def ask(self) -> None:
        """Ask it to end."""
        if self._process is not None:
            self._process.terminate()

    def end(self, deadline: float) -> None:
        """Wait until it ended, by force after `deadline` (of `time.monotonic`), and forget its pid."""
        if self._process is not None:
            try:
                self._process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._pulse.end()
        self._pid.unlink(missing_ok=True)

    def last_words(self) -> str:
        """Return the end of its log."""
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 1200))
            return file.read().decode("utf-8", errors="replace").strip()
        return "it wrote no log"

    def _start(self) -> None:
        """Run it in a session of its own: a Ctrl-C in the terminal is for `up` alone, which ends them in order."""
        self.role.before()
        with self.log.open("ab") as sink:
            self._process = subprocess.Popen(
                list(self.role.argv),
                env=dict(self.role.environ),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        self._pulse.born()
        self._is_told = False

    def _keep(self) -> None:
        """Say which process it is, and keep its log from filling the disk; what has no room now is done later."""
        try:
            if self._process is not None and not self._is_told:
                write_pid(self._pid, self._process.pid)
                self._is_told = True
            if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
                _set_aside(self.log)
        except OSError:
            if not self._is_told:
                self._pid.unlink(missing_ok=True)  # nobody may take another process for this one


def _set_aside(log: Path) -> None:
    """Copy and empty it: the process goes on appending. What it says in between is lost, as is all without room."""
    older = log.with_suffix(".log.1")
    try:
        shutil.copyfile(log, older)
    except OSError:
        older.unlink(missing_ok=True)
    os.truncate(log, 0)


def write_pid(path: Path, pid: int) -> None:
    """Write a pid file that is never seen half-written."""
    half = path.with_suffix(".half")
    half.write_text(f"{pid}\n", encoding="ascii")
    half.replace(path)


def _ending(code: int) -> str:
    """Say how a process ended: an exit code, or the signal that ended it."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
