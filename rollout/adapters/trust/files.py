"""Signed metadata as files: a copy of the store's rows for gateways and CDNs.

The lock is per repository. Only a newer version is written, and the timestamp last: a publisher that
stalled with old bytes in its hands finds a newer timestamp and changes nothing, so it cannot undo a halt.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

TIMESTAMP = "timestamp.json"


def copy(files: Mapping[str, bytes], folder: Path) -> bool:
    """Write a repository's newest files; False, with nothing written, where the folder is already newer.

    Versioned files are immutable: one that exists is left alone, unless it is not what was signed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
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
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _version(path: Path) -> int:
    try:
        return _parsed_version(path.read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        return 0  # absent or damaged: whatever the store holds is newer


def _parsed_version(data: bytes) -> int:
    return int(json.loads(data)["signed"]["version"])
