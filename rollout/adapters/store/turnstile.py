"""A fair turn at SQLite's one write lock, across processes.

SQLite hands its lock to whoever polls at the right moment: beside a bulk writer, a one-row
transaction failed 7 of 7 times within 2 s. Two file locks make a queue: whoever holds `ahead` is next,
whoever holds `inside` writes; a bulk writer that comes back must pass `ahead` again, behind those who wait.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType


class Turnstile:
    """Held from before BEGIN until after COMMIT; used by one thread."""

    def __init__(self, ahead: Path, inside: Path) -> None:
        self._ahead = os.open(ahead, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._inside = os.open(inside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> None:
        fcntl.flock(self._ahead, fcntl.LOCK_EX)
        fcntl.flock(self._inside, fcntl.LOCK_EX)
        fcntl.flock(self._ahead, fcntl.LOCK_UN)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.flock(self._inside, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the file handles back."""
        os.close(self._ahead)
        os.close(self._inside)


class NoTurnstile:
    """For databases that queue writers themselves."""

    def __enter__(self) -> None:
        """Nothing to wait for."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to give back."""

    def close(self) -> None:
        """Nothing was opened."""
