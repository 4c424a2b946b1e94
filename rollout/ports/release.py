"""Releases and policies: stored for ever under their digests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from policies.document import Policy


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """A stored release. `custom` is its Image target's `custom` as last signed; `added_at` unix seconds."""

    product: str
    counter: int
    sha256: str
    length: int
    version: str
    kind: str
    floor: int
    manifest: Mapping[str, Any]
    custom: Mapping[str, Any]
    added_at: float
    added_by: str


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """A stored policy."""

    name: str
    digest: str
    policy: Policy
    added_at: float
    added_by: str


class Releases(Protocol):
    """The release and policy tables."""

    def get(self, product: str, counter: int) -> ReleaseRecord | None:
        """One release."""
        ...

    def all(self, product: str | None = None) -> Sequence[ReleaseRecord]:
        """All, by product and counter."""
        ...

    def add(self, release: ReleaseRecord) -> None:
        """Store a new release."""
        ...

    def sign(self, product: str, counter: int, custom: Mapping[str, Any]) -> None:
        """Replace the Image target's `custom`."""
        ...

    def policy(self, name: str) -> PolicyRecord | None:
        """A stored policy by name."""
        ...

    def policies(self) -> Sequence[PolicyRecord]:
        """All, by name."""
        ...

    def add_policy(self, policy: PolicyRecord) -> None:
        """Store a policy; ConflictError when the name is taken by another digest."""
        ...


class Packages(Protocol):
    """Package bytes outside the database, by target path: `<product>/<counter>/<sha256>.zip`."""

    def put(self, path: str, package: bytes) -> None:
        """Store durably; the same bytes again change nothing."""
        ...

    def get(self, path: str) -> bytes:
        """The bytes; DamagedError when they are gone or changed."""
        ...
