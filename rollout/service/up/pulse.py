"""Does a child make progress? One that was stopped, or is silent, may hold the store's lock while others wait.

A lock in SQLite is broken by nothing but its holder's death, and a halt waits for it like everybody. So a child that
does not move is ended, and started again as if it had died: at once where it holds the store's turn, else when it had
time to go on by itself, since others take over what it owned. What it had not committed was acknowledged to nobody.
Looks are counted, not seconds: an `up` that was stopped itself and goes on finds nobody silent that it did not ask.
"""

import sys
from collections.abc import Callable, Collection
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

from rollout.adapters.settings import Endpoint

SECONDS_BETWEEN_QUESTIONS = 1.0
SECONDS_FOR_AN_ANSWER = 2.0
LOOKS_BLOCKING = 20  # of the supervisor, ten a second: 2 s in state T (t in a debugger) with the store's turn
LOOKS_STOPPED = 150  # 15 s in that state without it
ANSWERS_MISSED = 10  # in a row, after it had answered once: 10 to 30 s

Asking = Callable[[], bool]


class Pulse:
    """One child's signs of life: its state, looked at by the supervisor, and its answers, asked for in a thread."""

    def __init__(self, asks: Asking | None, turns: Collection[Path] = ()) -> None:
        self._turns = turns
        self._stopped_for = 0  # looks
        self._missed: int | None = None  # None until it has answered
        self._done = Event()
        if asks is not None:
            Thread(target=self._listen, args=(asks,), daemon=True, name="up-pulse").start()

    def born(self) -> None:
        """Begin anew: the process was started."""
        self._stopped_for, self._missed = 0, None

    def lost(self, pid: int) -> str | None:
        """Why the process must be ended, None while it moves. Called once a look."""
        self._stopped_for = self._stopped_for + 1 if is_stopped(pid) else 0
        if self._stopped_for >= LOOKS_BLOCKING and any(holds(pid, turn) for turn in self._turns):
            return "it was stopped while it held the store's turn"
        if self._stopped_for >= LOOKS_STOPPED:
            return "it was stopped"
        if self._missed is not None and self._missed >= ANSWERS_MISSED:
            return "it does not answer"
        return None

    def note(self, *, answered: bool) -> None:
        """Take an answer, or that none came."""
        if answered:
            self._missed = 0
        elif self._missed is not None:
            self._missed += 1

    def end(self) -> None:
        """Ask no longer."""
        self._done.set()

    def _listen(self, asks: Asking) -> None:
        while not self._done.wait(SECONDS_BETWEEN_QUESTIONS):
            self.note(answered=asks())


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal or a debugger; False where the system does not tell (not Linux)."""
    if sys.platform != "linux":
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(") ")[2][0] in "Tt"
    except (OSError, IndexError):
        return False


def holds(pid: int, file: Path) -> bool:
    """Whether a process holds the `flock` of a file, as Linux tells of all locks."""
    try:
        inode = file.stat().st_ino
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    held = [line.split() for line in locks if " FLOCK " in line and "->" not in line]
    return any(row[4] == str(pid) and row[5].endswith(f":{inode}") for row in held)


def healthy(door: Endpoint) -> Asking:
    """A question for `/healthz`, past any proxy."""

    def ask() -> bool:
        target = urlsplit(door.url)
        connection = HTTPConnection(target.hostname or door.host, target.port, timeout=SECONDS_FOR_AN_ANSWER)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    return ask
