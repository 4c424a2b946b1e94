"""P2 at every grant, from the store's records alone.

The watch's transactions are the segments of the evidence: each ends with its tick row. What was in force at a grant is
what the judge says of the rows up to the last tick before the grant's own row; what was outstanding follows from the
events before the grant's own event.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rollout.adapters.store.transaction import Transaction
from rollout.admission import JUDGEMENT_LIMIT_SECONDS, SEEING
from rollout.event import Event, EventKind
from rollout.evidence.rows import AdoptionRow, EvidenceError, FailureRow, Header, Row, TickRow, read
from rollout.judge import Fold
from rollout.ports.rollout import RolloutRecord
from tests.chaos.violation import Violation

STOPS = frozenset({"judge.trip", "judge.halt", "act.halt", "act.reject", "act.rollback"})
SLACK_SECONDS = 1.0  # of two loaded cores, on a limit of five
JUMP_SECONDS = 600.0  # no round stands still for so long: the wall clock was moved


@dataclass(frozen=True, slots=True)
class Force:
    """What a grant had to obey: windows, verdict, when it was judged (seconds of the rollout), or None before any."""

    window: int
    windows: dict[str, int]
    verdict: str
    at: float
    failure: str | None = None
    """A failure that came before the grant and was not judged yet."""


def check(tx: Transaction, rollout: str) -> list[Violation]:
    """Return every grant that was not allowed when it was made."""
    record = tx.rollouts.get(rollout)
    rows = list(tx.judging.evidence(rollout, limit=2**62))
    try:
        parsed = read(rows)[rollout] if rows else []
        forces, now = in_force(record, parsed)
    except EvidenceError as error:
        return [Violation("evidence", str(error))]
    events = [event for event in tx.events.after(record.first_event, 2**62) if event.rollout == rollout]
    stops = [row.at for row in tx.people.audit(rollout) if row.kind in STOPS]
    return list(_violations(record, events, forces, now, min(stops, default=None)))


def in_force(record: RolloutRecord, rows: Sequence[Row]) -> tuple[dict[int, Force | None], Force | None]:
    """Return what each grant's order had to obey, and what the newest judgement asks of grants it has not folded."""
    if not rows:
        return {}, None
    assert isinstance(rows[0], Header)
    fold = Fold(record.policy, rows[0])
    forces: dict[int, Force | None] = {}
    force: Force | None = None
    segment: list[Row] = []
    for row in rows[1:]:
        segment.append(row)
        if isinstance(row, TickRow):
            forces |= _of_segment(segment, force)
            fold.take(segment)
            judged = fold.judgement()
            force = Force(judged.window, dict(judged.windows), judged.verdict, row.at)
            segment = []
    return forces, force


def _of_segment(segment: Sequence[Row], force: Force | None) -> Iterator[tuple[int, Force | None]]:
    failure: str | None = None
    for row in segment:
        if isinstance(row, FailureRow) or (isinstance(row, AdoptionRow) and row.adoption == "failed"):
            failure = f"evidence row {row.seq}"
        elif isinstance(row, AdoptionRow) and row.adoption == "granted":
            late = force and Force(force.window, force.windows, force.verdict, force.at, failure)
            yield from ((order, late) for order in range(row.order, row.order + row.count))


def _violations(
    record: RolloutRecord,
    events: Sequence[Event],
    forces: dict[int, Force | None],
    newest: Force | None,
    stopped: float | None,
) -> Iterator[Violation]:
    held: dict[str, str] = {}
    due = 0
    for event in events:
        if event.kind is EventKind.GRANTED:
            order, stratum = event.detail["order"], event.detail["stratum"]
            if order != due:
                yield Violation("adoption-lost", f"grant {order} follows where grant {due} is due")
            due = order + 1
            if stopped is not None and event.at > stopped:
                yield Violation("go-after-stop", f"grant {order} came {event.at - stopped:.3f} s after the stop")
            force = forces.get(order, newest)
            yield from _one(record, event, force, Counter(held.values()))
            held[event.adoption] = stratum
        elif event.kind in {EventKind.CONFIRMED, EventKind.RESOLVED}:
            held.pop(event.adoption, None)


def _one(record: RolloutRecord, event: Event, force: Force | None, held: Counter[str]) -> Iterator[Violation]:
    order, stratum = event.detail["order"], event.detail["stratum"]
    if force is None:
        yield Violation("stale-judgement", f"grant {order} was made before anything was judged")
        return
    if not held.total() < force.window:
        yield Violation("window", f"grant {order}: {held.total()} outstanding, window {force.window}")
    window = force.windows.get(stratum, record.policy.ring(event.detail["ring"]).first_batch)
    if not held[stratum] < window:
        yield Violation("window", f"grant {order}: {held[stratum]} outstanding in {stratum}, window {window}")
    if force.verdict not in SEEING:
        yield Violation("stale-judgement", f"grant {order} was made while the verdict was {force.verdict}")
    if force.failure is not None:
        yield Violation("unjudged-failure", f"grant {order} came after the failure of {force.failure}, not yet judged")
    age = event.at - record.started_at - force.at
    if _limit(record) < age < JUMP_SECONDS:
        yield Violation("stale-judgement", f"grant {order} was made {age:.1f} s after the last judgement")


def _limit(record: RolloutRecord) -> float:
    """How old a judgement may be at a grant, and how long a tick may go without its own row."""
    every = record.policy.judge.every.total_seconds()
    between = max(every, record.policy.heartbeat.total_seconds()) + every
    return max(5 * every, JUDGEMENT_LIMIT_SECONDS) + between + SLACK_SECONDS
