"""What a host says of itself: what the installer sees, and the adoption that the journal names."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollout.host.change import Change
from rollout.host.course import phase


@dataclass(frozen=True, slots=True)
class Presence:
    """What a beat says."""

    running: Mapping[str, int]
    adoption: str | None
    phase: str
    measures: Mapping[str, float] = field(default_factory=dict)


def present(change: Change, measures: Mapping[str, float] | None = None) -> Presence:
    """What a beat says now."""
    named = change.history.named
    adoption = None if named is None else named.adoption
    return Presence(change.inventory.counters, adoption, phase(named), measures or {})


def summary(host: str, change: Change) -> Mapping[str, object]:
    """What a host runs and where it stands, for people and programs."""
    now = present(change)
    steps = {product: course.step for product, course in change.history.courses.items()}
    told = {"running": now.running, "adoption": now.adoption, "phase": now.phase}
    return {"host": host, **told, "courses": steps}
