"""Packages on this host: stored by digest, believed only by length and digest, and looked at again before each use."""

import hashlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from rollout.directive.facts import Target
from rollout.errors import SurroundingsError, UnreachableError
from rollout.host.door import Door

FOLDER = "packages"
_PIECE = 1024 * 1024


class PackageStore:
    """`packages/<sha256>.zip` in the state folder; no name that a server chose is ever a path."""

    def __init__(self, state: Path, door: Door) -> None:
        self._folder = state / FOLDER
        self._door = door

    def held(self, sha256: str | None) -> Path | None:
        """The package of a digest, if it is here and unchanged."""
        if not sha256:
            return None
        path = self._folder / f"{sha256}.zip"
        try:
            return path if _digest(path).hexdigest() == sha256 else None
        except OSError:
            return None

    def fetch(self, target: Target, sha256: str) -> Path:
        """The package of a verified target, fetched where it is not here; what broke off goes on where it ended.

        Raises:
            UnreachableError: it does not come, or other bytes come.
            SurroundingsError: it cannot be stored.
        """
        if (found := self.held(sha256)) is not None:
            return found
        part = self._folder / f"{sha256}.part"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if not part.exists() or part.stat().st_size < target.length:
                self._download(target, part)
            if part.stat().st_size != target.length or _digest(part).hexdigest() != sha256:
                part.unlink()
                raise UnreachableError(f"/targets/{target.path} is not the bytes that were signed")
            path = self._folder / f"{sha256}.zip"
            part.replace(path)
            _sync(self._folder)
        except OSError as error:
            raise SurroundingsError(f"the package cannot be stored: {error.strerror}", slug="disk") from error
        return path

    def keep(self, digests: Collection[str]) -> None:
        """Remove every other package."""
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.stem not in digests:
                    path.unlink(missing_ok=True)

    def _download(self, target: Target, part: Path) -> None:
        start = part.stat().st_size if part.exists() else 0
        with (
            self._door.stream(f"/targets/{target.path}", target.length, start) as (resumed, chunks),
            part.open("ab" if resumed else "wb") as file,
        ):
            for chunk in chunks:
                _write(file, chunk)
            os.fsync(file.fileno())


def _write(file: BinaryIO, chunk: bytes) -> None:
    """Write through; a full disk is this machine's fault, and must not look like the network's."""
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:
        raise SurroundingsError(f"the package cannot be stored: {error.strerror}", slug="disk") from error


def _digest(path: Path) -> "hashlib._Hash":
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
