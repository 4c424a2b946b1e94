"""Signed metadata as files: a copy of the store's rows for gateways and CDNs.

The lock is per repository, and nobody waits for it for long: who holds it may stand still. Only a newer
version is written, and the timestamp last: a publisher that stalled with old bytes in its hands finds a
newer timestamp and changes nothing, so it cannot undo a halt.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rollout.errors import BusyError

TIMESTAMP = "timestamp.json"
LOCK_SECONDS = 0.5  # a copy takes milliseconds, and more where a disk is slow
LOCK_POLL_SECONDS = 0.005


def copy(files: Mapping[str, bytes], folder: Path, *, wait: bool = True) -> bool:
    """Write a repository's newest files; False, with nothing written, where the folder is already newer.

    Versioned files are immutable: one that exists is left alone, unless it is not what was signed.
    BusyError, with nothing written, where another keeps the lock; `wait`: for a moment, or not at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, LOCK_SECONDS if wait else 0.0):
        if _version(folder / TIMESTAMP) > _parsed_version(files[TIMESTAMP]):
            return False
        for name in sorted(files, key=lambda name: name == TIMESTAMP):
            path = folder / name
            if not path.exists() or path.read_bytes() != files[name]:
                replace(path, files[name])
    return True


def replace(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a whole file or none of it, durable before return."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _locked(folder: Path, seconds: float) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        due = time.monotonic() + seconds
        while not _took(lock.fileno()):
            if time.monotonic() >= due:
                raise BusyError(
                    f"another process keeps {folder / '.lock'}; end it if it stands still: it is tried again and again"
                )
            time.sleep(LOCK_POLL_SECONDS)
        yield


def _took(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _version(path: Path) -> int:
    try:
        return _parsed_version(path.read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        return 0  # absent or damaged: whatever the store holds is newer


def _parsed_version(data: bytes) -> int:
    return int(json.loads(data)["signed"]["version"])
