"""What a bad candidate does to the hosts that load it, and what befalls any host anyway."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import assert_never


class Kind(StrEnum):
    """The demo's scenarios, and one more: an agent that goes back by itself."""

    GOOD = "good"
    CRASHING = "crashing"  # Exp(mean) after load, restarts, beats again, keeps the candidate
    LETHAL = "lethal"  # reports once, then is dead
    BOOT_LOOP = "boot-loop"  # dies in silence, no self-revert
    REVERTING = "reverting"  # crashes, then goes back to its baseline by itself


@dataclass(frozen=True, slots=True)
class Fault:
    """What loading the candidate does."""

    kind: Kind = Kind.GOOD
    share: float = 1.0
    """Share of the loading hosts that it hits, 0..1."""
    mean_seconds: float = 5.0
    """Mean of the exponential time from load to crash; lethal and boot-loop strike at once."""
    downtime_seconds: float = 2.0
    """At most this long until a crashed host is up again."""


@dataclass(frozen=True, slots=True)
class Blow:
    """One failure to come."""

    after_seconds: float
    dies: bool
    reports: bool
    downtime_seconds: float
    reverts: bool = False


@dataclass(frozen=True, slots=True)
class Background:
    """What happens without any candidate; all rates per host-hour, none by default but crashes.

    The crash rate is TELEMETRY section 5's 5.15 per 1 000 host-days.
    """

    crashes_per_host_hour: float = 0.000_215
    sleeps_per_host_hour: float = 0.0
    sleep_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A number that every host reports: `usual`, a tenth more or less by host, and `raised` more by a candidate."""

    name: str
    usual: float
    raised: float = 0.0


@dataclass(frozen=True, slots=True)
class Blinding:
    """The collector stops forwarding the beats of a share of the control hosts, `after_seconds` after the first go."""

    share: float = 0.5
    after_seconds: float = 5.0


def blow(fault: Fault, chance: Random) -> Blow | None:
    """What this load will do to its host, or None."""
    if fault.kind is Kind.GOOD or chance.random() >= fault.share:
        return None
    downtime = fault.downtime_seconds * chance.uniform(0.5, 1.0)
    match fault.kind:
        case Kind.CRASHING:
            return Blow(
                chance.expovariate(1.0 / fault.mean_seconds), dies=False, reports=True, downtime_seconds=downtime
            )
        case Kind.LETHAL:
            return Blow(chance.uniform(0.05, 0.3), dies=True, reports=True, downtime_seconds=0.0)
        case Kind.BOOT_LOOP:
            return Blow(chance.uniform(0.05, 0.3), dies=True, reports=False, downtime_seconds=0.0)
        case Kind.REVERTING:
            after = chance.expovariate(1.0 / fault.mean_seconds)
            return Blow(after, dies=False, reports=False, downtime_seconds=downtime, reverts=True)
        case _ as never:
            assert_never(never)
