"""The Image target's `custom`, `rollout.target/1` (INTERFACES section 2): written here, read here.

Signed twice: when a release is added, with a warrant for nothing, and when a rollout starts, with the
policy's digest and warrant. Written and parsed in one file, so that server and host cannot disagree.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Literal, Self

from rollout.release.manifest import Manifest
from rollout.release.strict_json import LARGEST

SCHEMA = "rollout.target/1"
NO_POLICY = "0" * 64  # the digest of no policy: signed to be rolled back to, never to be installed
WHOLE = 10_000  # basis points

_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z")


class FieldError(ValueError):
    """A field of `custom` is missing or ill-typed; `field` names it, for the line that reads it."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field} {detail}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Step:
    """From `not_before` on, a ring may be exposed up to `ceiling_bp`."""

    not_before: datetime
    ceiling_bp: int


Warrant = Mapping[str, tuple[Step, ...]]  # by ring, `not_before` ascending


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """An Image target's `custom`; the warrant is the offline-signed limit of what any server may do.

    `rollback_to` may be absent or null; fields this version does not know are ignored.
    """

    product: str
    version: str
    release_counter: int
    floor: int
    kind: Literal["driver", "content"]
    hardware: tuple[str, ...]
    os_builds: tuple[int, int]
    needs_reboot: bool
    policy_digest: str
    rollback_to: int | None
    warrant: Warrant
    warrant_expires: datetime

    @classmethod
    def from_custom(cls, custom: Mapping[str, Any]) -> Self:
        """Read every field strictly; raise `FieldError` for the first that is missing or ill-typed, warrant last."""
        if custom.get("schema") != SCHEMA:
            raise FieldError("schema", f"is not {SCHEMA}")
        back = custom.get("rollback_to")
        return cls(
            product=_matching(custom, "product", _IDENTIFIER),
            version=_need(custom, "version", str),
            release_counter=_count(custom.get("release_counter"), "release_counter"),
            floor=_count(custom.get("floor"), "floor"),
            kind=_kind(custom),
            hardware=_hardware(custom),
            os_builds=_os_builds(custom),
            needs_reboot=_need(custom, "needs_reboot", bool),
            policy_digest=_matching(custom, "policy_digest", _DIGEST),
            rollback_to=None if back is None else _count(back, "rollback_to"),
            warrant={ring: _steps(ring, steps) for ring, steps in _need(custom, "warrant", dict).items()},
            warrant_expires=_instant(_need(custom, "warrant_expires", str), "warrant_expires"),
        )

    def to_custom(self) -> dict[str, Any]:
        """Return the mapping to sign; integers, strings, booleans and null only."""
        return {
            "schema": SCHEMA,
            "product": self.product,
            "version": self.version,
            "release_counter": self.release_counter,
            "floor": self.floor,
            "kind": self.kind,
            "hardware": list(self.hardware),
            "os_builds": list(self.os_builds),
            "needs_reboot": self.needs_reboot,
            "policy_digest": self.policy_digest,
            "rollback_to": self.rollback_to,
            "warrant": {ring: [[_text(s.not_before), s.ceiling_bp] for s in row] for ring, row in self.warrant.items()},
            "warrant_expires": _text(self.warrant_expires),
        }

    def warranted(self, policy_digest: str, warrant: Warrant, expires: datetime) -> Self:
        """Return the same release as it is signed when its rollout starts."""
        return replace(self, policy_digest=policy_digest, warrant=warrant, warrant_expires=expires)

    def ceiling(self, ring: str, now: datetime) -> int:
        """Return the basis points that `ring` may be exposed to at `now`; 0 once expired or where unnamed."""
        begun = [step.ceiling_bp for step in self.warrant.get(ring, ()) if step.not_before <= now]
        return begun[-1] if begun and now < self.warrant_expires else 0

    def fits(self, hardware: str, os_build: int) -> bool:
        """Answer whether a host of this hardware and OS build may run the release."""
        low, high = self.os_builds
        return ("*" in self.hardware or hardware in self.hardware) and low <= os_build <= high


def added(release: Manifest, now: datetime) -> TargetFacts:
    """Return a release as it is signed when it is added: to be rolled back to, never to be installed."""
    return TargetFacts(
        product=release.product,
        version=release.version,
        release_counter=release.release_counter,
        floor=release.floor,
        kind=release.kind,
        hardware=release.hardware,
        os_builds=release.os_builds,
        needs_reboot=release.needs_reboot,
        policy_digest=NO_POLICY,
        rollback_to=release.rollback_to,
        warrant={},
        warrant_expires=now,
    )


def path(product: str, release_counter: int, sha256: str) -> str:
    """Return the target path of a package."""
    return f"{product}/{release_counter}/{sha256}.zip"


def _text(at: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC, whole seconds, rounded down."""
    return at.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _steps(ring: str, steps: Any) -> tuple[Step, ...]:
    if not isinstance(steps, list) or not _IDENTIFIER.fullmatch(ring):
        raise FieldError("warrant", f"is not a list of steps for each ring ({ring[:63]!r})")
    found = tuple(_step(step) for step in steps)
    if any(later.not_before < earlier.not_before for earlier, later in pairwise(found)):
        raise FieldError("warrant", f"lists steps of ring {ring} that do not ascend")
    return found


def _step(step: Any) -> Step:
    if not isinstance(step, list) or len(step) != 2 or not isinstance(step[0], str):
        raise FieldError("warrant", "has a step that is not [not_before, ceiling_bp]")
    ceiling = _count(step[1], "warrant")
    if ceiling > WHOLE:
        raise FieldError("warrant", f"has a ceiling above {WHOLE}")
    return Step(_instant(step[0], "warrant"), ceiling)


def _instant(value: str, field: str) -> datetime:
    if not _INSTANT.fullmatch(value):
        raise FieldError(field, "is not an RFC 3339 time in UTC with Z")
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise FieldError(field, f"is no time: {error}") from error


def _need(custom: Mapping[str, Any], field: str, kind: type) -> Any:
    value = custom.get(field)
    if type(value) is not kind:
        raise FieldError(field, f"is missing or not of type {kind.__name__}")
    return value


def _count(value: Any, field: str) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST:  # bool is an int too, and refused
        raise FieldError(field, "is missing or not an integer in 0..2^53")
    return value


def _matching(custom: Mapping[str, Any], field: str, pattern: re.Pattern[str]) -> str:
    value: str = _need(custom, field, str)
    if not pattern.fullmatch(value):
        raise FieldError(field, "is not of its form")
    return value


def _kind(custom: Mapping[str, Any]) -> Literal["driver", "content"]:
    match custom.get("kind"):
        case "driver":
            return "driver"
        case "content":
            return "content"
        case _:
            raise FieldError("kind", "is neither driver nor content")


def _hardware(custom: Mapping[str, Any]) -> tuple[str, ...]:
    listed = _need(custom, "hardware", list)
    if not all(type(name) is str for name in listed):
        raise FieldError("hardware", "is not a list of names")
    return tuple(listed)


def _os_builds(custom: Mapping[str, Any]) -> tuple[int, int]:
    listed = _need(custom, "os_builds", list)
    if len(listed) != 2:
        raise FieldError("os_builds", "is not [lowest, highest]")
    low, high = (_count(value, "os_builds") for value in listed)
    return low, high
