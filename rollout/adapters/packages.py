"""Packages as files: `<data>/targets/<product>/<counter>/<sha256>.zip`, where the gateway serves them from.

A package is whole and on disk before its release is a row: a row never names bytes that a crash took away.
"""

import hashlib
import os
import secrets
from pathlib import Path

from rollout.errors import DamagedError, SurroundingsError


class PackageFolder:
    """ports.release.Packages over a folder. `path` is a target path of `rollout.release.target.path`."""

    def __init__(self, data: Path) -> None:
        self._root = data / "targets"

    def put(self, path: str, package: bytes) -> None:
        """Store durably; the same bytes again change nothing."""
        file = self._root / path
        try:
            if file.exists() and _digest(file.read_bytes()) == file.stem:
                return
            file.parent.mkdir(parents=True, exist_ok=True)
            half = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
            try:
                _write(half, package)
                half.replace(file)
            finally:
                half.unlink(missing_ok=True)
            for folder in (file.parent, file.parent.parent, self._root):
                _sync(folder)
        except OSError as error:
            raise SurroundingsError(
                f"the package cannot be stored: {error.strerror}; look at the disk", slug="disk"
            ) from error

    def get(self, path: str) -> bytes:
        """The bytes; DamagedError when they are gone or changed."""
        file = self._root / path
        try:
            package = file.read_bytes()
        except OSError as error:
            raise DamagedError(f"the package {path} cannot be read: {error.strerror}", slug="package") from error
        if _digest(package) != file.stem:
            raise DamagedError(f"the package {path} is not the one that was stored", slug="package")
        return package


def _digest(package: bytes) -> str:
    return hashlib.sha256(package).hexdigest()


def _write(path: Path, package: bytes) -> None:
    with path.open("xb") as file:
        file.write(package)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make the folder's entries durable: a rename alone may be lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
