"""Who holds a file's lock, and who has a file open, as the kernel lists it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


def holder(file: Path) -> int | None:
    """Return the process that holds a file's flock."""
    return next(_holders(file), None)


def opened(file: Path, pid: int) -> bool:
    """Whether a process has a file open, as it has a lock's file while it waits for the lock or holds it."""
    with contextlib.suppress(OSError):  # what is closed meanwhile
        return any(link.samefile(file) for link in (Path("/proc") / str(pid) / "fd").iterdir() if link.exists())
    return False


def _holders(file: Path) -> Iterator[int]:
    try:
        inode = file.stat().st_ino
    except FileNotFoundError:
        return
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):  # "->" is one that waits
            yield int(words[4])
