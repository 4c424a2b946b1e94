"""Room for a stop on a full disk.

Beside an SQLite store lies `ballast`, a file that only takes up room. Work that goes forward is refused while less
than `LEAST_FREE_BYTES` are free beside a whole ballast; a stop frees the ballast, and the room it leaves is nobody
else's: what it lacks counts as taken until it is made again.
"""

import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import make_url

BALLAST_BYTES = 4 << 20  # hundreds of halts, each some ten pages of 4 KiB in the write-ahead log
LEAST_FREE_BYTES = 4 << 20  # a batch of 2 000 rows fits: work is refused before the disk is full, not by it


class Reserve:
    """The ballast of one folder; several processes share it, and each may free it or make it again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "ballast"

    @property
    def whole(self) -> bool:
        """Whether nothing of the ballast is spent."""
        return self._lacking() == 0

    def has_room(self) -> bool:
        """Whether work that goes forward may be written."""
        found = os.statvfs(self._folder)
        if found.f_blocks == 0:  # a file system without a limit of its own
            return True
        return found.f_bavail * found.f_frsize >= LEAST_FREE_BYTES + self._lacking()

    def spend(self) -> None:
        """Free the ballast: a stop is about to be written."""
        self._file.unlink(missing_ok=True)

    def restore(self) -> None:
        """Make what is lacking, where there is room for it and more; what cannot be made now is made later."""
        if not self._lacking() or not self.has_room():
            return
        with suppress(OSError):
            self._file.write_bytes(os.urandom(BALLAST_BYTES))  # what cannot be compressed takes up room everywhere

    def _lacking(self) -> int:
        try:
            return max(0, BALLAST_BYTES - self._file.stat().st_size)
        except OSError:
            return BALLAST_BYTES


class NoReserve:
    """For databases on a disk of their own."""

    whole = True

    def has_room(self) -> bool:
        """Their disk is theirs to watch."""
        return True

    def spend(self) -> None:
        """Nothing was kept back."""

    def restore(self) -> None:
        """Nothing is kept back."""


def reserve_for(url: str) -> Reserve | NoReserve:
    """The reserve beside a store."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return Reserve(Path(parsed.database).parent)
    return NoReserve()
