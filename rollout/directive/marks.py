"""High-water marks: the highest a host has seen, below which it never goes again.

They are what is left when a cache is deleted, so they cover both repositories. Version marks belong
to the keys of their role: new keys clear them, or a stolen online key, which can sign version 2^31,
could never be recovered from. The root's own version is only ever raised: its chain has no gaps to jump.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rollout.directive.facts import Role
from rollout.directive.refusal import RefusedError


@dataclass(frozen=True, slots=True)
class RingMarks:
    """Of one ring's Director: issue time, versions by role, epochs by rollout."""

    issued: datetime | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)
    epochs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Marks:
    """What one check compares with: the ring's marks, and those every ring of a host shares.

    `image`: versions by role; `floors` and `maps` (highest ring map n): by product.
    """

    ring: RingMarks = field(default_factory=RingMarks)
    image: Mapping[str, Role] = field(default_factory=dict)
    floors: Mapping[str, int] = field(default_factory=dict)
    maps: Mapping[str, int] = field(default_factory=dict)


def raised_roles(seen: Mapping[str, Role], found: Mapping[str, Role], repository: str) -> Mapping[str, Role]:
    """The new version marks of a repository; RefusedError `metadata` where a version went back."""
    for role, now in found.items():
        before = seen.get(role)
        if before is None or now.version >= before.version:
            continue
        if role == "root" or now.keys == before.keys:
            raise RefusedError(
                "metadata", f"{repository} {role} went back from version {before.version} to {now.version}"
            )
    return dict(found)


def raised(seen: Mapping[str, int], found: Mapping[str, int]) -> Mapping[str, int]:
    """The higher of both, by key."""
    return {key: max(seen.get(key, 0), found.get(key, 0)) for key in (*seen, *found)}
