"""View: a rollout as people and programs read it, `GET /rollouts/{id}` (INTERFACES section 4).

What is not known is null or inconclusive, never health: a judgement that nobody renews is blind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from policies.duration import format_duration
from rollout.decision import BEGUN, FORWARD, State
from rollout.operation.act import APPROVER, TO_UNFREEZE, current_ring, unfreeze_votes, votes, waiting_ring
from rollout.ports.judging import StoredJudgement
from rollout.ports.person import AuditRow
from rollout.ports.rollout import Freeze, RingRecord, RolloutRecord, Tally
from rollout.ports.store import Transaction

STOPPED: Mapping[str, str] = {
    State.PAUSED: "Paused",
    State.HELD: "Held",
    State.HALTED: "Halted",
    State.REJECTED: "Rejected",
    State.ROLLING_BACK: "Rolling back",
    State.ROLLED_BACK: "Rolled back",
}
COUNTS = ("granted", "confirmed", "failed", "dark", "overdue", "outstanding")


@dataclass(frozen=True, slots=True)
class Sight:
    """The newest judgement's age on the reader's own clock, in seconds, None if not known; `fresh`: young enough."""

    age: float | None
    fresh: bool


def instant(at: float) -> str:
    """Return unix seconds as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def document(tx: Transaction, record: RolloutRecord, sight: Sight) -> dict[str, Any]:
    """Return the document of one rollout."""
    rings = tx.rollouts.rings(record.id)
    judgement, frozen = tx.judging.judgement(record.id), tx.rollouts.frozen()
    tallies = tx.adoptions.tallies(record.id)
    told = judgement.document if judgement is not None else {}
    stale = judgement is not None and not record.over and not sight.fresh
    verdict = "inconclusive" if judgement is None else "blind" if stale else judgement.verdict
    return {
        "rollout": record.id,
        "product": record.product,
        "release": f"{record.product}/{record.counter}",
        "policy": record.policy.name,
        "policy_digest": record.policy_digest,
        "state": record.state,
        "frozen": frozen is not None,
        "verdict": verdict,
        "sentence": sentence(record, told, frozen, stale=stale),
        "evidence_revision": record.revision,
        "data_age": _data_age(told, sight, over=record.over),
        "e": told.get("e", {"halt": 1.0, "guards": {}}),
        "ratio": told.get("ratio", {"low": None, "high": None}),
        "waiting": waiting(tx, record, rings, told, frozen),
        "explanation": {"terms": told.get("terms", []), "gates": told.get("gates", [])},
        "rings": [_ring(ring, tallies, judgement) for ring in rings],
        "started_by": record.started_by,
        "started_at": instant(record.started_at),
        "state_since": instant(record.state_since),
        "reason": record.reason,
        "over": record.over,
        "superseded": record.superseded,
    }


def sentence(record: RolloutRecord, told: Mapping[str, Any], frozen: Freeze | None, *, stale: bool) -> str:
    """Return why the rollout stands where it stands."""
    if record.state in STOPPED:
        said = f"{STOPPED[record.state]}: {record.stop_reason}" if record.stop_reason else STOPPED[record.state]
    elif record.over:
        said = "Completed; its watch ended" + (", a newer release took its place" if record.superseded else "")
    elif stale:
        said = "Nobody has renewed the judgement: does a worker run? Nothing is adopted or promoted until then"
    else:
        said = str(told.get("sentence", "Nothing was judged yet; without a judgement nothing is adopted"))
    said = said.rstrip(".") + "."
    return (
        said if frozen is None or record.state not in FORWARD else f"{said} Frozen by {frozen.person}: {frozen.reason}."
    )


def waiting(
    tx: Transaction,
    record: RolloutRecord,
    rings: Sequence[RingRecord],
    told: Mapping[str, Any],
    frozen: Freeze | None,
) -> dict[str, str] | None:
    """Return the person or condition that is waited for, and since when; None where nothing is."""
    if record.over:
        return None
    if frozen is not None and record.state in FORWARD:
        return {"for": f"{TO_UNFREEZE} persons of role {APPROVER} to unfreeze", "since": instant(frozen.since)}
    since = record.state_since
    match State(record.state):
        case State.AWAITING_APPROVAL | State.PAUSED | State.HELD:
            what = _people(question(tx, record, rings))
        case State.ROLLING_BACK:
            what = "every touched host that is not dark to report its baseline"
        case State.COMPLETED:
            what = f"the end of its watch of {format_duration(record.policy.watch)}"
        case State.RUNNING:
            ring = current_ring(rings)
            shut = [str(gate["sentence"]) for gate in told.get("gates", ()) if not gate["passed"]]
            what, since = "; ".join(shut) or f"ring {ring.name}: the next step", ring.state_since
        case State.HALTED | State.REJECTED | State.ROLLED_BACK:
            what = None
    return None if what is None else {"for": what, "since": instant(since)}


@dataclass(frozen=True, slots=True)
class Question:
    """What people are asked of one rollout, and how many have agreed."""

    kind: str
    ring: str
    role: str
    have: int
    need: int


def question(tx: Transaction, record: RolloutRecord, rings: Sequence[RingRecord]) -> Question | None:
    """Return what this rollout asks people, None where it asks nothing."""
    if record.state == State.AWAITING_APPROVAL:
        ring = waiting_ring(rings)
        if ring is None:
            return None
        approval = record.policy.ring(ring).approval
        return Question("approve", ring, approval.role if approval else APPROVER, *votes(tx, record, "approve", ring))
    if record.state in {State.PAUSED, State.HELD}:
        ring = current_ring(rings).name
        return Question("resume", ring, APPROVER, *votes(tx, record, "resume", ring))
    return None


def decisions(tx: Transaction, sights: Mapping[str, Sight]) -> list[dict[str, Any]]:
    """Return everything that waits for a person, oldest first."""
    found: list[tuple[float, dict[str, Any]]] = []
    frozen = tx.rollouts.frozen()
    if frozen is not None:
        said = f"Everything is frozen by {frozen.person}: {frozen.reason}."
        counts = {"have": unfreeze_votes(tx, frozen.number), "need": TO_UNFREEZE}
        row = {"rollout": None, "ring": None, "kind": "unfreeze", "evidence_revision": frozen.number, **counts}
        found.append((frozen.since, {**row, "sentence": said}))
    for record in tx.rollouts.opened():
        asked = question(tx, record, tx.rollouts.rings(record.id))
        if asked is not None:
            judgement, sight = tx.judging.judgement(record.id), sights.get(record.id, Sight(None, fresh=False))
            told = judgement.document if judgement is not None else {}
            row = {"rollout": record.id, "ring": asked.ring, "kind": asked.kind, "evidence_revision": record.revision}
            row |= {"have": asked.have, "need": asked.need}
            row |= {"sentence": sentence(record, told, frozen, stale=not sight.fresh)}
            found.append((record.state_since, row))
    return [{**row, "since": instant(since)} for since, row in sorted(found, key=lambda each: each[0])]


def decision(row: AuditRow) -> dict[str, Any]:
    """Return one link of the audit chain; its own fields go before those of its detail."""
    own = {"seq": row.seq, "at": instant(row.at), "rollout": row.rollout, "kind": row.kind, "person": row.person}
    return {**own, **{name: value for name, value in row.detail.items() if name not in own}, "hash": row.hash}


def _ring(
    ring: RingRecord, tallies: Mapping[tuple[str, str], Tally], judgement: StoredJudgement | None
) -> dict[str, Any]:
    mine = [tally for (name, _), tally in tallies.items() if name == ring.name]
    window = judgement.window if judgement is not None and ring.hosts and ring.state in BEGUN else 0
    head = {"name": ring.name, "state": ring.state, "hosts": ring.hosts, "held_out": ring.held_out}
    return {**head, **{name: sum(getattr(tally, name) for tally in mine) for name in COUNTS}, "window": window}


def _data_age(told: Mapping[str, Any], sight: Sight, *, over: bool) -> float | None:
    """Seconds since the newest control beat; null where it is not known, or not looked at any more."""
    age = told.get("data_age")
    return None if age is None or over else round(age + (sight.age or 0.0), 3)


def _people(asked: Question | None) -> str | None:
    if asked is None:
        return None
    what = f"approval of ring {asked.ring}" if asked.kind == "approve" else "people to resume"
    return f"{what}: {asked.have} of {asked.need} persons of role {asked.role}"
