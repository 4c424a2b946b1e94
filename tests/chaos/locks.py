"""Who holds a file's lock, and who waits for it, as the kernel lists it."""

from pathlib import Path


def holder(file: Path) -> int | None:
    """Return the process that holds a file's flock."""
    return next((pid for waits, pid in _listed(file) if not waits), None)


def waits(file: Path, pid: int) -> bool:
    """Whether a process waits for a file's flock."""
    return (True, pid) in list(_listed(file))


def _listed(file: Path):
    try:
        inode = file.stat().st_ino
    except FileNotFoundError:
        return
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        waiting = words[1] == "->"
        kind, _, _, pid, place, *_ = words[1 + waiting :]
        if kind == "FLOCK" and place.endswith(f":{inode}"):
            yield waiting, int(pid)
