"""What clients read: `<data>/metadata/<repository>/` and `<data>/targets/<path>`."""

from collections.abc import Mapping
from pathlib import Path

from rollout.adapters.trust.files import copy, replace


class FolderCopies:
    """ports.signing.Copies over a data folder."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def repository(self, name: str, files: Mapping[str, bytes], *, wait: bool = True) -> bool:
        """Copy a repository's newest files, timestamp last; False, nothing written, where the copy is newer."""
        return copy(files, self._data / "metadata" / name, wait=wait)

    def target(self, path: str, content: bytes) -> None:
        """Copy a target file; the same bytes again change nothing."""
        file = self._data / "targets" / path
        if not file.exists() or file.read_bytes() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            replace(file, content)
