"""Signing: the next version of a repository as bytes; and the copies of what was signed.

Nothing here decides anything: facts and the bytes before go in, files come out. `files` are a repository's
newest files by name: roots, `timestamp.json`, `N.snapshot.json`, `N.targets.json`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from rollout.directive.facts import Target
from rollout.ringmap import RingMap


class Signed(Protocol):
    """The new files of one step, and where the repository then stands."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """Only those that the step made."""
        ...

    @property
    def versions(self) -> Mapping[str, int]:
        """By role."""
        ...

    @property
    def expires(self) -> Mapping[str, float]:
        """By role, unix seconds."""
        ...

    @property
    def issued(self) -> float:
        """A Director's newest `x-issued`, unix seconds; 0 for the Image repository."""
        ...


class Signer(Protocol):
    """The keys of both repositories, as far as they are here. NotFoundError where a key is not."""

    @property
    def signs_image(self) -> bool:
        """Whether the Image keys are here; in production a ceremony has them, and its files are imported."""
        ...

    def targets(self, files: Mapping[str, bytes]) -> Mapping[str, Target]:
        """The targets of a repository's newest targets file, by path."""
        ...

    def ring_map(self, ring_map: RingMap) -> tuple[Target, bytes]:
        """The Image target of a ring map, and the bytes served under its path."""
        ...

    def director_root(self, ring: str, root: bytes) -> Target:
        """The Image target of a Director's first root."""
        ...

    def first_image(self, now: datetime) -> Signed:
        """A new, empty Image repository."""
        ...

    def next_image(self, files: Mapping[str, bytes], targets: Iterable[Target], now: datetime) -> Signed:
        """The next version with these targets added or replaced; none: the same content for longer."""
        ...

    def first_director(self, ring: str, lease: timedelta, now: datetime) -> Signed:
        """A ring's new Director, without directives."""
        ...

    def next_director(
        self, files: Mapping[str, bytes], ring: str, targets: Iterable[Target], lease: timedelta, now: datetime
    ) -> Signed:
        """The next version, whose directives are exactly `targets`."""
        ...

    def renew_director(self, files: Mapping[str, bytes], ring: str, lease: timedelta, now: datetime) -> Signed:
        """A new timestamp for the same directives."""
        ...


class Copies(Protocol):
    """Where clients read: files, newest only."""

    def repository(self, name: str, files: Mapping[str, bytes], *, wait: bool = True) -> bool:
        """Copy a repository's newest files, timestamp last; False, nothing written, where the copy is newer.

        BusyError, nothing written, where another copies it and is not done in a moment (`wait`), or now.
        """
        ...

    def target(self, path: str, content: bytes) -> None:
        """Copy a target file; the same bytes again change nothing."""
        ...
