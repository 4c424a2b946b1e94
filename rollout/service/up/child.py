"""One supervised process: started tethered, restarted when dead, known by its pid file."""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOG_BYTES = 10 << 20  # above this a log is set aside at the next start; one older one is kept
SECONDS_BETWEEN_STARTS = 1.0  # so that one that cannot run does not eat a core; a restart is due within 2 s


@dataclass(frozen=True, slots=True)
class Role:
    """What to run: a name, the command line (tethered), its environment, and what to do before a start."""

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    before: Callable[[], None] = lambda: None


class Child:
    """A role while `up` runs. All methods are called from one thread, which must outlive the child."""

    def __init__(self, role: Role, data: Path) -> None:
        self.role = role
        self.deaths = 0
        self.log = data / "log" / f"{role.name}.log"
        self._pid = data / "run" / f"{role.name}.pid"
        self._process: subprocess.Popen[bytes] | None = None
        self._started = float("-inf")

    def tend(self, now: float) -> int | None:
        """Start it if it is not running and was not started just now; the exit code if it was found dead."""
        code = None
        if self._process is not None and (code := self._process.poll()) is not None:
            self.deaths += 1
            self._process = None
        if self._process is None and now - self._started >= SECONDS_BETWEEN_STARTS:
            self._started = now
            self._start()
        return code

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
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as sink:
            self._process = subprocess.Popen(
                list(self.role.argv),
                env=dict(self.role.environ),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        write_pid(self._pid, self._process.pid)


def write_pid(path: Path, pid: int) -> None:
    """Write a pid file that is never seen half-written."""
    half = path.with_suffix(".half")
    half.write_text(f"{pid}\n", encoding="ascii")
    half.replace(path)
