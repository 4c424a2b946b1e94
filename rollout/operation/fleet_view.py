"""The fleet as people read it: hosts, what they run, and what became of them in a rollout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollout.errors import InvalidError, NotFoundError
from rollout.operation.newcomer import rings_of
from rollout.operation.silence import Silence
from rollout.operation.view import instant
from rollout.ports.adoption import Adoption
from rollout.ports.host import HostRecord, Presence
from rollout.ports.rollout import RolloutRecord
from rollout.ports.store import Transaction
from rollout.telemetry import HERE, counters

HOST_STATES = ("active", "asleep", "dark", "retired")
TOUCHED_STATES = ("outstanding", "confirmed", "failed", "dark", "reverted", "rolled-back")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which hosts to list; None: any."""

    ring: str | None = None
    state: str | None = None
    product: str | None = None


def hosts(tx: Transaction, wanted: Wanted, interval: float) -> list[dict[str, Any]]:
    """Return the hosts of the fleet by id; `interval` is a host's while no rollout is open, in seconds."""
    _known(wanted.state, HOST_STATES)
    everybody = tx.hosts.all()
    rings = rings_of(tx, [record for record, _ in everybody])
    silence, newest = Silence(tx, interval), max((seen.at for _, seen in everybody if seen is not None), default=tx.at)
    found = [_host(record, seen, rings[record.key], dark=silence.dark(seen, newest)) for record, seen in everybody]
    return sorted((each for each in found if _matches(each, wanted)), key=lambda each: str(each["host"]))


def host(tx: Transaction, name: str, interval: float) -> dict[str, Any]:
    """Return one host in full; NotFoundError."""
    record = tx.hosts.find(name)
    if record is None:
        raise NotFoundError(f"no host {name!r} is enrolled", slug="no-host")
    seen = tx.hosts.presence([record.key]).get(record.key)
    adoptions = [
        {"adoption": each.id, "rollout": each.rollout, "ring": each.ring, "state": _state(each, dark=False)}
        for each in tx.adoptions.of_host(record.key)
    ]
    dark = Silence(tx, interval).dark(seen, _newest(tx))
    shown = _host(record, seen, rings_of(tx, [record])[record.key], dark=dark)
    spoken = (
        {"boot": seen.boot, "seq": seen.seq, "phase": seen.phase} if seen else dict.fromkeys(("boot", "seq", "phase"))
    )
    del shown["site"]  # it stands among the attributes
    return {**shown, "attributes": dict(record.attributes), **spoken, "adoptions": adoptions}


def touched(
    tx: Transaction, record: RolloutRecord, state: str | None, interval: float, *, details: bool
) -> list[dict[str, Any]]:
    """Return every host that was let go in a rollout, in that order, and what became of it.

    `details`: also what hands-on work needs, where it stands and what it ran before (null: not known).
    """
    _known(state, TOUCHED_STATES)
    adoptions = tx.adoptions.of_rollout(record.id)
    keys = [each.host for each in adoptions]
    names, spoken = tx.hosts.names(keys), tx.hosts.presence(keys)
    silence, newest, allowed = Silence(tx, interval), _newest(tx), record.policy.dark_after.total_seconds()
    rows = [
        {
            "host": names[each.host],
            "ring": each.ring,
            "adoption": each.id,
            "state": _state(each, dark=silence.dark(spoken.get(each.host), newest, allowed)),
        }
        for each in adoptions
    ]
    wanted = [(each, row) for each, row in zip(adoptions, rows, strict=True) if state in {None, row["state"]}]
    more = _details(tx, record, wanted) if details else {}
    return [row | more.get(each.host, {}) for each, row in wanted]


def _details(
    tx: Transaction, record: RolloutRecord, wanted: Sequence[tuple[Adoption, Mapping[str, Any]]]
) -> Mapping[int, dict[str, Any]]:
    keys = [each.host for each, _ in wanted]
    hosts_, spoken = tx.hosts.records(keys), tx.hosts.presence(keys)
    members = {member.host: member for member in tx.rollouts.members(record.id, keys)}
    return {
        key: {
            "site": hosts_[key].attributes.get("site"),
            "stratum": hosts_[key].stratum,
            "baseline": members[key].baseline if key in members else None,
            "running": dict(counters(spoken[key].running)) if key in spoken else {},
            "last_beat": instant(spoken[key].at) if key in spoken else None,
        }
        for key in keys
    }


def _state(adoption: Adoption, *, dark: bool) -> str:
    if adoption.rolled_back:
        return "rolled-back"
    if dark:
        return "dark"
    if adoption.state != "failed":
        return "outstanding" if adoption.state == "open" else adoption.state
    return "reverted" if adoption.outcome == "reverted" else "failed"


def state_of(record: HostRecord, seen: Presence | None, *, dark: bool) -> str:
    """Return a host's state, one of HOST_STATES."""
    if record.retired_at is not None:
        return "retired"
    if seen is not None and seen.absent != HERE:
        return "asleep"
    return "dark" if dark else "active"


def _host(record: HostRecord, seen: Presence | None, rings: Mapping[str, str], *, dark: bool) -> dict[str, Any]:
    return {
        "host": record.id,
        "site": record.attributes.get("site"),
        "stratum": record.stratum,
        "rings": dict(rings),
        "running": dict(counters(seen.running)) if seen is not None else {},
        "last_beat": instant(seen.at) if seen is not None else None,
        "state": state_of(record, seen, dark=dark),
    }


def _newest(tx: Transaction) -> float:
    """When anybody was heard last, unix seconds."""
    return max((at for _, at, _ in tx.events.heard_after(tx.events.last_heard() - 1)), default=tx.at)


def _matches(each: Mapping[str, Any], wanted: Wanted) -> bool:
    if wanted.state is not None and each["state"] != wanted.state:
        return False
    rings = each["rings"]
    if wanted.product is not None:
        in_ring = wanted.ring is None or rings.get(wanted.product) == wanted.ring
        return in_ring and (wanted.product in each["running"] or wanted.product in rings)
    return wanted.ring is None or wanted.ring in rings.values()


def _known(state: str | None, states: Sequence[str]) -> None:
    if state is not None and state not in states:
        raise InvalidError(f"{state!r} is no state; known are {', '.join(states)}", slug="state")
