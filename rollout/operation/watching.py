"""One rollout's watch, rebuilt from the store by whoever owns it: events and evidence up to the last judgement.

Nothing here is a truth of its own: an owner that fails in the middle of a tick throws its `Watched` away and
builds another.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from rollout.evidence.fold import EvidenceFold
from rollout.evidence.rows import Header, TickRow, parse
from rollout.judge import Fold
from rollout.ports.judging import StoredJudgement, TickMark
from rollout.ports.rollout import RolloutRecord
from rollout.ports.store import Transaction

SEVEN_DAYS = 7 * 86_400.0  # crashes that far back take a host out of both arms (JUDGE section 2)
GAP_SECONDS = 5.0  # after a longer gap no deadline is marked until one heartbeat later


@dataclass(slots=True)
class Watched:
    """The memory of a watch. `clock` is the rollout clock; `elapsed` the owner's own, both in seconds."""

    record: RolloutRecord
    epoch: int
    header: Header
    fold: EvidenceFold
    judge: Fold
    elapsed: float
    deadlines_from: float
    heartbeat: float
    clock: float = 0.0
    event: int = 0
    beat: int = 0
    counter: int = 0
    host_hours: float = 0.0
    control_host_hours: float = 0.0
    blind: str | None = None
    verdict: str = ""
    mean: float = 1.0  # E-bar at the last tick
    counted_rows: int = 0
    last_tick: TickRow | None = None
    last_tick_elapsed: float = field(default=float("-inf"))


def begin(tx: Transaction, record: RolloutRecord, epoch: int, elapsed: float, heartbeat: float) -> Watched:
    """Stand where the last owner stood: replay events and evidence up to the newest judgement.

    Args:
        tx: a transaction; only read.
        record: the rollout.
        epoch: of our ownership.
        elapsed: our own clock, seconds.
        heartbeat: what hosts were told before this rollout, seconds: their interval until they are answered anew.
    """
    rings = [ring.name for ring in tx.rollouts.rings(record.id)]
    interval = max(heartbeat, record.policy.heartbeat.total_seconds())
    fold = EvidenceFold(record.id, record.product, rings, record.strata, interval)
    header = _header(tx, record)
    watched = Watched(record, epoch, header, fold, Fold(record.policy, header), elapsed, elapsed + interval, heartbeat)
    judgement = tx.judging.judgement(record.id)
    enlist(tx, watched)
    _exclude(tx, watched)
    _set_absent(tx, watched)
    if judgement is None:
        watched.event, watched.beat = record.first_event, record.first_beat
        return watched
    _replay_events(tx, watched, judgement)
    _replay_beats(tx, watched, judgement)
    _replay_evidence(tx, watched)
    return watched


def enlist(tx: Transaction, watched: Watched, hosts: Collection[int] | None = None) -> None:
    """Place members: everybody (None) at first, later comers when they are first heard."""
    fold = watched.fold
    places = [
        fold.place(m.host, m.ring, m.stratum, directed=m.directed, active=m.active)
        for m in tx.rollouts.members(watched.record.id, hosts)
    ]
    fold.fleet.place(places, watched.clock, watched.elapsed)


def _header(tx: Transaction, record: RolloutRecord) -> Header:
    first = next(iter(tx.judging.evidence(record.id, after=-1, limit=1)), None)
    if first is not None:
        header = parse(first, 1)
        if isinstance(header, Header):
            return header
    sizes = {ring.name: ring.hosts for ring in tx.rollouts.rings(record.id)}
    return Header(
        rollout=record.id,
        strata=list(record.strata),
        policy_digest=record.policy_digest,
        policy=record.policy.document(),
        rings=sizes,
    )


def _exclude(tx: Transaction, watched: Watched) -> None:
    began = watched.record.started_at
    for host in tx.hosts.crashed_between(began - SEVEN_DAYS, began):
        watched.fold.fleet.grow(host)
        watched.fold.fleet.excluded[host] = True


def _set_absent(tx: Transaction, watched: Watched) -> None:
    """Who is asleep now; events not folded yet only say it again."""
    for host in tx.hosts.absent():
        watched.fold.fleet.grow(host)
        watched.fold.fleet.absent[host] = True


def _replay_events(tx: Transaction, watched: Watched, judgement: StoredJudgement) -> None:
    fold, marks = watched.fold, _marks(tx, judgement)
    events = [e for e in tx.events.after(watched.record.first_event, limit=2**62) if e.seq <= judgement.event]
    position, clock = 0, 0.0
    for mark in marks:
        fold.sleep(max(0.0, mark.clock - clock))
        clock = mark.clock
        start = position
        while position < len(events) and events[position].seq <= mark.event:
            position += 1
        fold.take(events[start:position], 0.0, clock)
    watched.event, watched.clock, watched.counter = judgement.event, judgement.clock, judgement.counter


def _replay_beats(tx: Transaction, watched: Watched, judgement: StoredJudgement) -> None:
    """When each host was last heard. Of a blind judgement nothing is believed: its clock stood still."""
    interval = watched.record.policy.heartbeat.total_seconds()
    marks = _marks(tx, judgement)
    position = 0
    for beat, _, hosts in tx.events.heard_after(watched.record.first_beat):
        if beat > judgement.beat:
            break
        while position < len(marks) - 1 and marks[position].beat < beat:
            position += 1
        clock = marks[position].clock
        age = judgement.clock - clock if judgement.verdict != "blind" else float("inf")
        watched.fold.fleet.hear(hosts, clock, watched.elapsed - age, interval)
    watched.beat = judgement.beat


def _replay_evidence(tx: Transaction, watched: Watched) -> None:
    """Fold every stored row again; the ticks among them carry the running sums."""
    rows = [parse(line, number) for number, line in enumerate(tx.judging.evidence(watched.record.id, 0, 2**62), 2)]
    for row in rows:
        if isinstance(row, TickRow):
            watched.last_tick = row
            watched.host_hours, watched.control_host_hours = row.host_hours, row.control_host_hours
            watched.fold.reboots = row.reboots
    watched.judge.take(rows)
    watched.fold.next_seq = tx.judging.last_evidence(watched.record.id) + 1
    watched.counted_rows = watched.fold.exposed_rows
    judged = watched.judge.judgement()
    watched.verdict, watched.mean = judged.verdict, judged.e


def _marks(tx: Transaction, judgement: StoredJudgement) -> list[TickMark]:
    found = [mark for mark in tx.judging.marks(judgement.rollout) if mark.event <= judgement.event]
    return [*found, TickMark(judgement.event, judgement.beat, judgement.clock)]
