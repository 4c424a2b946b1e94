"""Telemetry: what a beat or a crash report says about a host, given what it said before.

In: the previous presence, the new message, the adoption it may concern. Out: the new presence and what changed.
Rule 1: a message confirms only what it names; silence, an unknown phase or a missing name confirms nothing.
Rule 2: `seq` orders a host's messages, receipt orders the fleet's; a host's own clock orders nothing but a crash
against its adoption.
"""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from policies.measure import LARGEST, MOST, NAME
from rollout.crash.identity import ImageIdentity, is_own
from rollout.event import EventKind

HERE: Final = 0
ASLEEP: Final = 1
GONE: Final = 2
"""Announced shutdown for longer than `dark_after`."""
RETIRED: Final = 3
MOST_BOOTS: Final = 1024
"""Boots remembered of one adoption: far above what any policy asks, so that a boot loop stays small."""

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
Integer = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
PRODUCT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
HostName = Annotated[
    str, msgspec.Meta(min_length=1, max_length=64, extra_json_schema={"pattern": f"^{HOST.pattern}$"})
]  # spelling is checked by who reads the message, once for each new name
ProductName = Annotated[
    str, msgspec.Meta(min_length=1, max_length=64, extra_json_schema={"pattern": f"^{PRODUCT.pattern}$"})
]  # likewise
MeasureName = Annotated[
    str, msgspec.Meta(min_length=1, max_length=63, extra_json_schema={"pattern": f"^{NAME.pattern}$"})
]  # likewise
Value = Annotated[float, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
Opaque = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Text = Annotated[str, msgspec.Meta(max_length=1024)]
Hex = Annotated[str, msgspec.Meta(pattern=r"^0[xX][0-9a-fA-F]{1,16}\Z")]


class Beat(msgspec.Struct, gc=False):
    """One beat (INTERFACES section 1.3); `uptime` in seconds since boot.

    `measures`: numbers that a policy may judge by; the host's latest beat says all that is known of them.
    """

    host: HostName
    boot: Opaque
    seq: Integer
    uptime: Seconds
    running: Annotated[dict[ProductName, Integer], msgspec.Meta(max_length=64)]
    phase: Literal["idle", "applying", "applied", "reverted"]
    adoption: Name | None = None
    sleeping: bool = False
    leaving: bool = False
    measures: Annotated[dict[MeasureName, Value], msgspec.Meta(max_length=MOST)] | None = None


class Bugcheck(msgspec.Struct):
    """A stop code and its parameters."""

    code: Hex
    parameters: Annotated[list[Hex], msgspec.Meta(max_length=4)] | None = None


class Module(msgspec.Struct):
    """The blamed image, as far as the host could read it."""

    name: Text | None = None
    timestamp: Integer | None = None
    size: Integer | None = None
    checksum: Integer | None = None
    offset: Hex | None = None


class CrashReport(msgspec.Struct, omit_defaults=True):
    """One crash report (INTERFACES section 1.5); unknown fields are dropped."""

    host: HostName
    report: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    kind: Literal["bugcheck", "live", "power"]
    boot: Opaque | None = None
    crashed_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    bugcheck: Bugcheck | None = None
    uptime: Seconds | None = None
    module: Module | None = None
    signature: Text | None = None
    signer: Text | None = None
    company: Text | None = None
    stack: Annotated[list[Text], msgspec.Meta(max_length=256)] | None = None


class Presence(NamedTuple):
    """How a host last spoke. `absent`: HERE, ASLEEP, GONE or RETIRED; `running`: canonical JSON; `at` unix seconds.

    `measures`: what its last beat said of the measures that were judged then, canonical JSON.
    """

    host: int
    seq: int
    boot: str
    uptime: float
    phase: str
    absent: int
    running: str
    adoption: str | None
    at: float
    measures: str | None = None


class Change(NamedTuple):
    """Something that happened to the host, to be told to the watch."""

    kind: EventKind
    detail: Mapping[str, Any]


@lru_cache(maxsize=4096)
def counters(running: str) -> Mapping[str, int]:
    """What a presence's `running` says; shared, not to be changed."""
    return msgspec.json.decode(running, type=dict[str, int])


def canonical(running: Mapping[str, float]) -> str:
    """What a host runs, or measures, as one canonical text."""
    return msgspec.json.encode(running, order="deterministic").decode("ascii")


def is_quiet(before: Presence, beat: Beat) -> bool:
    """Whether nothing but time went by since the host last spoke; the caller knows of no open adoption."""
    return (
        before.boot == beat.boot
        and not before.absent
        and not beat.sleeping
        and not beat.leaving
        and before.phase == beat.phase
        and before.adoption == beat.adoption
        and counters(before.running) == beat.running
    )


def hear(before: Presence | None, beat: Beat, host: int, at: float, *, adopting: bool) -> tuple[Presence, list[Change]]:
    """Fold one accepted beat; the caller has refused a `seq` not above the last one.

    `adopting`: the host has an open adoption, so an announced shutdown is not believed.
    """
    running = canonical(beat.running)
    absent = _absence(beat, adopting=adopting)
    after = Presence(host, beat.seq, beat.boot, beat.uptime, beat.phase, absent, running, beat.adoption, at)
    changes: list[Change] = []
    if before is None:
        changes.append(Change(EventKind.JOINED, {"boot": beat.boot, "uptime": beat.uptime}))
    else:
        if before.boot != beat.boot:
            changes.append(Change(EventKind.REBOOTED, {"boot": beat.boot, "uptime": beat.uptime}))
        changes += _ran(counters(before.running), beat.running)
    was_absent = before is not None and before.absent != HERE
    if absent and not was_absent:
        changes.append(Change(EventKind.ASLEEP, {"absent": absent}))
    if was_absent and not absent:
        changes.append(Change(EventKind.AWAKE, {}))
    return after, changes


def _absence(beat: Beat, *, adopting: bool) -> int:
    """Neither an announced sleep while applying nor an announced shutdown while adopting is believed."""
    if beat.sleeping and beat.phase != "applying":
        return ASLEEP
    return GONE if beat.leaving and not adopting and beat.phase != "applying" else HERE


def _ran(before: Mapping[str, int], now: Mapping[str, int]) -> list[Change]:
    return [
        Change(EventKind.RAN, {"product": product, "counter": counter})
        for product, counter in sorted(now.items())
        if before.get(product) != counter
    ]


class Trial(NamedTuple):
    """How far an open adoption has proved itself.

    `asked_boot`: the boot that asked. `applied_boot`, `applied_uptime`: boot of the last applied beat, and the
    uptime from which it counts. `uptime`: seconds survived within that boot. `boots`: new boots seen applied.
    """

    product: str
    counter: int
    asked_boot: str
    applied_boot: str | None = None
    applied_uptime: float | None = None
    uptime: float = 0.0
    boots: tuple[str, ...] = ()


def advance(trial: Trial, beat: Beat) -> Trial:
    """Fold a beat that names the adoption; only `applied` with the candidate running counts.

    The first applied beat starts the count; a new boot counts from its own start, and alone: uptimes of several
    short boots are no proof of one long one.
    """
    if not is_applied(trial, beat):
        return trial
    since, boots = trial.applied_uptime, trial.boots
    if since is None:
        since = beat.uptime
    elif trial.applied_boot != beat.boot:
        since = 0.0
    if beat.boot != trial.asked_boot and beat.boot not in boots:
        boots = (*boots, beat.boot)[-MOST_BOOTS:]
    survived = max(0.0, beat.uptime - since)
    return trial._replace(applied_boot=beat.boot, applied_uptime=since, uptime=survived, boots=boots)


def is_applied(trial: Trial, beat: Beat) -> bool:
    """Whether this beat says that the candidate runs."""
    return beat.phase == "applied" and beat.running.get(trial.product) == trial.counter


def is_confirmed(trial: Trial, beat: Beat, uptime_seconds: float, reboots: int) -> bool:
    """Whether `trial`, advanced by `beat`, meets the policy's `confirm` (INTERFACES section 1.7)."""
    return is_applied(trial, beat) and trial.uptime >= uptime_seconds and len(trial.boots) >= reboots


def crash_time(report: CrashReport, received: float, signed_at: float | None) -> float:
    """When it crashed by our clock, unix seconds; never after its report came.

    The host's clock is set right by how far its signature's `created` lies from the receipt.
    """
    if report.crashed_at is None:
        return received
    offset = 0.0 if signed_at is None else received - signed_at
    return min(report.crashed_at.timestamp() + offset, received)


def is_before(crashed_at: float, boot: str | None, granted_at: float, boots: Collection[str]) -> bool:
    """Whether a crash came before an adoption; `boots` are the one that asked and those seen since.

    A boot known to be as late as the question outweighs the clock.
    """
    return crashed_at < granted_at and (boot is None or boot not in boots)


def own_products(report: CrashReport, images: Mapping[str, Collection[ImageIdentity]]) -> list[str]:
    """Products whose image the report blames; `images` are each product's stored builds."""
    if report.module is None:
        return []
    module = msgspec.to_builtins(report.module)
    return sorted(product for product, builds in images.items() if is_own(module, builds))
