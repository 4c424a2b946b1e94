"""What a host read from verified metadata, before it believes any of it.

Everything here already carries valid signatures. That says who wrote it, not that it is right:
`custom` is parsed strictly, and each ill-typed field is refused with the code of the line that reads it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, cast

from rollout.directive.refusal import Code, RefusedError

Action = Literal["install", "hold", "rollback"]
ACTIONS = frozenset({"install", "hold", "rollback"})
LARGEST = 2**63 - 1

_PATH = re.compile(r"([a-z0-9][a-z0-9-]{0,62})/(0|[1-9][0-9]{0,18})/([0-9a-f]{64})\.zip", re.ASCII)
_MAP_PATH = re.compile(r"rings/([a-z0-9][a-z0-9-]{0,62})/(0|[1-9][0-9]{0,18})\.json", re.ASCII)
_RESERVED = frozenset({"rings", "directors"})


@dataclass(frozen=True, slots=True)
class Target:
    """One signed target of either repository, as it was read; `custom` is not yet parsed."""

    path: str
    length: int
    hashes: Mapping[str, str]
    custom: object


@dataclass(frozen=True, slots=True)
class Role:
    """A top-level role: its version, and a fingerprint of the keys that the root lists for it."""

    version: int
    keys: str


@dataclass(frozen=True, slots=True)
class DirectorView:
    """A ring's Director after its signatures verified. The `x-` fields are as read, not yet typed."""

    ring: object
    targets_ring: object
    issued: object
    timestamp_expires: datetime
    lease_until: datetime
    delegates: bool
    roles: Mapping[str, Role]
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class ImageView:
    """The Image repository after its signatures verified, and expiry was checked."""

    roles: Mapping[str, Role]
    targets: Mapping[str, Target]

    @cached_property
    def releases(self) -> Mapping[tuple[str, int], tuple[Target, ...]]:
        """Release targets by product and counter; more than one where a counter was signed twice."""
        found: dict[tuple[str, int], tuple[Target, ...]] = {}
        for path, target in self.targets.items():
            if (parts := split(path)) is not None:
                key = (parts.product, parts.release_counter)
                found[key] = (*found.get(key, ()), target)
        return found

    @cached_property
    def maps(self) -> Mapping[str, tuple[int, Target]]:
        """The ring map with the highest n, by product."""
        found: dict[str, tuple[int, Target]] = {}
        for path, target in self.targets.items():
            match = _MAP_PATH.fullmatch(path)
            if match and int(match[2]) > found.get(match[1], (-1, target))[0]:
                found[match[1]] = (int(match[2]), target)
        return found


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a host knows about itself; `baselines` are the counters it recorded with its intents, by product."""

    host: str
    hardware: str
    os_build: int
    installed: Mapping[str, int]
    tags: frozenset[str] = frozenset()
    baselines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TargetName:
    """A release target's path, in parts."""

    product: str
    release_counter: int
    sha256: str


def split(path: str) -> TargetName | None:
    """The parts of `<product>/<release_counter>/<64 hex>.zip`, or None for any other path."""
    match = _PATH.fullmatch(path)
    if match is None or match[1] in _RESERVED or int(match[2]) > LARGEST:
        return None
    return TargetName(match[1], int(match[2]), match[3])


def name(path: str) -> TargetName:
    """The parts of a Director's target path; RefusedError `target-name` for any other (line 6)."""
    parts = split(path)
    if parts is None:
        raise RefusedError("target-name", f"{path!a} is not <product>/<release_counter>/<sha256>.zip")
    return parts


@dataclass(frozen=True, slots=True)
class Directive:
    """What a Director's target asks of a ring's hosts: its `custom`, each field of its right type.

    `exposure_bp` in basis points. `withdraws`: only hosts that run this counter take the rollback.
    """

    rollout: str
    action: Action
    exposure_bp: int
    salt: str
    epoch: int
    release_counter: int
    hardware: tuple[str, ...]
    policy_digest: str
    withdraws: int | None = None

    @classmethod
    def from_custom(cls, custom: object) -> "Directive":
        """Parse strictly; RefusedError with the code of the line that reads the first bad field."""
        if not isinstance(custom, Mapping):
            raise RefusedError("metadata", "a directive has no custom part")
        action = _text(custom, "action", "metadata")
        if action not in ACTIONS:
            raise RefusedError("metadata", f"unknown action {action!a}")
        return cls(
            rollout=_text(custom, "rollout", "metadata"),
            action=cast("Action", action),
            exposure_bp=_integer(custom, "exposure_bp", "exposure", 10_000),
            salt=_text(custom, "salt", "metadata"),
            epoch=_integer(custom, "epoch", "epoch"),
            release_counter=_integer(custom, "release_counter", "mismatch"),
            hardware=_texts(custom, "hardware", "mismatch"),
            policy_digest=_text(custom, "policy_digest", "mismatch"),
            withdraws=None if custom.get("withdraws") is None else _integer(custom, "withdraws", "metadata"),
        )

    def to_custom(self) -> dict[str, Any]:
        """The `custom` to be signed; `withdraws` only where it is set."""
        custom: dict[str, Any] = {
            "rollout": self.rollout,
            "action": self.action,
            "exposure_bp": self.exposure_bp,
            "salt": self.salt,
            "epoch": self.epoch,
            "release_counter": self.release_counter,
            "hardware": list(self.hardware),
            "policy_digest": self.policy_digest,
        }
        return custom if self.withdraws is None else {**custom, "withdraws": self.withdraws}


def _text(custom: Mapping[Any, Any], key: str, code: Code) -> str:
    value = custom.get(key)
    # Printable keeps lone surrogates out, which no hash can read.
    if not isinstance(value, str) or not value.isprintable():
        raise RefusedError(code, f"{key} is not a text: {value!a:.80}")
    return value


def _texts(custom: Mapping[Any, Any], key: str, code: Code) -> tuple[str, ...]:
    value = custom.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RefusedError(code, f"{key} is not a list of texts: {value!a:.80}")
    return tuple(value)


def _integer(custom: Mapping[Any, Any], key: str, code: Code, largest: int = LARGEST) -> int:
    value = custom.get(key)
    # A bool is an int to Python, and True would pass for 1.
    if type(value) is not int or not 0 <= value <= largest:
        raise RefusedError(code, f"{key} is not an integer from 0 to {largest}: {value!a:.80}")
    return value


def paths(targets: Iterable[Target]) -> dict[str, Target]:
    """Targets by their path."""
    return {target.path: target for target in targets}
