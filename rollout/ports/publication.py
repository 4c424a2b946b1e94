"""Published metadata: rows are the truth, files are their copy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rollout.ringmap import RingMap


@dataclass(frozen=True, slots=True)
class RepositoryRecord:
    """Where one repository stands. `name` is `image` or `director/<ring>`; times are unix seconds.

    `directives` of a Director: what its targets carry now, `{target path: custom}`.
    """

    name: str
    revision: int
    versions: Mapping[str, int]
    issued: float
    expires: Mapping[str, float]
    directives: Mapping[str, Mapping[str, Any]]


class Publications(Protocol):
    """The repository, metadata_file and ring_map tables."""

    def repository(self, name: str) -> RepositoryRecord | None:
        """One repository."""
        ...

    def repositories(self) -> Sequence[RepositoryRecord]:
        """All, by name."""
        ...

    def files(self, name: str) -> Mapping[str, bytes]:
        """The newest bytes of every file of a repository that clients may ask for, old roots included."""
        ...

    def file(self, name: str, file: str) -> bytes | None:
        """One file."""
        ...

    def publish(self, record: RepositoryRecord, files: Mapping[str, bytes], expected_revision: int) -> None:
        """Compare and swap: store record and files if the stored revision is `expected_revision` (0: none yet).

        ConflictError otherwise; nothing is written then.
        """
        ...

    def ring_map(self, product: str) -> RingMap | None:
        """The newest ring map of a product."""
        ...

    def ring_maps(self) -> Mapping[str, RingMap]:
        """The newest ring map of every product that has one."""
        ...

    def add_ring_map(self, ring_map_: RingMap) -> None:
        """Store a map under its (product, n)."""
        ...
