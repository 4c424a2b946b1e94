"""One tick of a watch: coverage, deadlines, evidence, judgement, and the stop when it is crossed.

All of it is one transaction that begins by checking our ownership: another owner's epoch ends ours with nothing
written. The order is fixed: who was heard and whether we can see; then deadlines, which a blind tick marks for
nobody; then events in their order; then pairs of hosts that measured something; then the judge; then what follows from
it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, partial

import numpy as np

from rollout.decision import BEGUN, RingState
from rollout.evidence.fleet import NOBODY
from rollout.evidence.rows import Row, TickRow, dump
from rollout.judge.explain import terms
from rollout.judge.harm import OF_STRATUM
from rollout.judge.seen import Hosts
from rollout.operation.consequence import consequences
from rollout.operation.deadline import mark
from rollout.operation.measure import measure
from rollout.operation.record import interval
from rollout.operation.watching import GAP_SECONDS, Watched, enlist
from rollout.ports.judging import StoredJudgement, TickMark
from rollout.ports.store import Transaction

LOUDEST = 10  # strata named in a judgement's document
KEEP_HEARD_SECONDS = 3_600.0  # of the log of who was heard; a new owner needs `dark_after` of it


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the owner sees around it. `elapsed`: its own clock, seconds; `gateway`: some gateway's beacon moves."""

    elapsed: float
    gateway: bool


def tick(tx: Transaction, watched: Watched, around: Surroundings) -> bool:
    """Judge once; whether the rollout is still to be watched. StaleOwnerError when somebody else owns it."""
    tx.judging.hold_watch(watched.record.id, watched.epoch)
    record = tx.rollouts.get(watched.record.id)
    if record is None or record.over:
        return False
    watched.record = record
    _hear(tx, watched, around)
    watched.blind = _blindness(watched, around)
    marked = _advance(watched, around)
    if marked:
        _mark_deadlines(tx, watched)
    rows = _fold(tx, watched)
    if measure(tx, watched, around.elapsed):
        rows += _fold(tx, watched)
    _judge(tx, watched, rows, around)
    return consequences(tx, watched)


def _hear(tx: Transaction, watched: Watched, around: Surroundings) -> None:
    told = interval(tx, watched.heartbeat)  # as the gateway answers each beat
    fleet = watched.fold.fleet
    for beat, at, hosts in tx.events.heard_after(watched.beat):
        waited = max(0.0, tx.at - at)  # a dead worker's backlog is old; a clock that jumped costs one beat of sight
        fleet.hear(hosts, watched.clock, around.elapsed - waited, told)
        if (strangers := hosts[fleet.ring[hosts] == NOBODY]).size:
            enlist(tx, watched, strangers.tolist())
        watched.beat = beat
    if watched.counter % 600 == 0:
        tx.events.forget_heard(tx.at - max(KEEP_HEARD_SECONDS, 4 * watched.record.policy.dark_after.total_seconds()))


def _blindness(watched: Watched, around: Surroundings) -> str | None:
    """Why the judge cannot see, None if it can. An exposed host's silence is evidence, never blindness."""
    coverage = watched.record.policy.coverage
    if not around.gateway:
        return "gateway"
    if data_age(watched, around.elapsed) > coverage.stale_after.total_seconds():
        return "stale"
    _, control = watched.fold.fleet.coverage(around.elapsed)
    return "coverage" if control < coverage.at_least else None


def data_age(watched: Watched, elapsed: float) -> float:
    """Seconds since the newest committed control beat (of a fleet without: `witnesses`), infinite if there is none."""
    heard = watched.fold.fleet.heard_elapsed[watched.fold.fleet.witnesses]
    return float(elapsed - heard.max()) if heard.size else float("inf")


def _advance(watched: Watched, around: Surroundings) -> bool:
    """Move the rollout clock, which stands still while blind; whether deadlines may be marked now."""
    gap = max(0.0, around.elapsed - watched.elapsed)
    watched.elapsed = around.elapsed
    if gap > GAP_SECONDS:
        watched.deadlines_from = around.elapsed + watched.record.policy.heartbeat.total_seconds()
    if watched.blind is not None:
        return False
    step = min(gap, 3 * watched.record.policy.judge.every.total_seconds())
    watched.clock += step
    watched.fold.sleep(step)
    fleet = watched.fold.fleet
    awake = fleet.awake
    watched.host_hours += step / 3600 * int(np.count_nonzero(awake & fleet.granted))
    watched.control_host_hours += step / 3600 * int(np.count_nonzero(awake & ~fleet.granted))
    return around.elapsed >= watched.deadlines_from


def _mark_deadlines(tx: Transaction, watched: Watched) -> None:
    """Write the events of passed deadlines, where the store still says the adoption is open."""
    policy = watched.record.policy
    due = watched.fold.due(
        watched.clock,
        policy.overdue.total_seconds(),
        policy.confirm.deadline.total_seconds(),
        policy.dark_after.total_seconds(),
    )
    if due:
        mark(tx, watched.record.id, due)


def _fold(tx: Transaction, watched: Watched) -> list[Row]:
    events = tx.events.after(watched.event)
    rows = watched.fold.take(events, tx.at - watched.record.started_at, watched.clock)
    if events:
        watched.event = events[-1].seq
    return rows


def _judge(tx: Transaction, watched: Watched, rows: list[Row], around: Surroundings) -> None:
    """Let the judge fold the new rows and store its judgement beside the evidence."""
    cover = watched.fold.fleet.coverage(around.elapsed)
    if (row := _tick_row(tx, watched, around, cover, must=bool(rows))) is not None:
        rows.append(row)
    watched.judge.take(rows)
    lines = [(row.seq, dump(row)) for row in rows]
    if tx.judging.last_evidence(watched.record.id) < 0:
        lines.insert(0, (0, dump(watched.header)))
    tx.judging.add_evidence(watched.record.id, lines)
    watched.counter += 1
    judged = watched.judge.judgement()
    tx.judging.mark(watched.record.id, TickMark(watched.event, watched.beat, watched.clock))
    if watched.counter % 600 == 0:
        keep = max(watched.record.policy.confirm.deadline, watched.record.policy.dark_after).total_seconds()
        tx.judging.forget_marks(watched.record.id, watched.clock - 4 * keep)
    tx.judging.save(
        StoredJudgement(
            rollout=watched.record.id,
            counter=watched.counter,
            clock=watched.clock,
            event=watched.event,
            beat=watched.beat,
            evidence=watched.fold.next_seq - 1,
            verdict=judged.verdict,
            window=judged.window,
            windows=judged.windows,
            promotable=judged.promotable,
            document=_document(watched, around, cover),
        )
    )


def _document(watched: Watched, around: Surroundings, cover: tuple[float, float]) -> dict[str, object]:
    """What people read of a judgement."""
    judged = watched.judge.judgement()
    exposed, control = cover
    age = data_age(watched, around.elapsed)
    hosts = cache(partial(_arms, watched))
    return {
        "e": {"halt": judged.e, "guards": _loud(judged.guards)},
        "ratio": {"low": judged.ratio[0], "high": judged.ratio[1]},
        "ring": judged.ring,
        "sentence": judged.told(hosts(judged.loudest.stratum)),
        "terms": [asdict(term) for term in terms(judged, hosts)],
        "early_life": judged.early_life,
        "gates": [asdict(gate) for gate in judged.promotion],
        "pause": None if judged.pause is None else judged.pause.sentence,
        "halt": None if judged.halt is None else judged.halt.sentence,
        "blind": watched.blind,
        "coverage": {"exposed": exposed, "control": control},
        "data_age": None if np.isinf(age) else round(age, 3),
    }


def _arms(watched: Watched, stratum: str | None) -> Hosts:
    """How many members are exposed and how many are control, of one stratum or (None) of the fleet."""
    fleet = watched.fold.fleet
    members = fleet.members
    if stratum is not None:
        members = members & (fleet.stratum == watched.fold.strata.index(stratum))
    return Hosts(int(np.count_nonzero(members & fleet.granted)), int(np.count_nonzero(members & ~fleet.granted)))


def _loud(guards: Mapping[str, float]) -> dict[str, float]:
    """The four guards, and the strata's that say most: a fleet may have a thousand models."""
    strata = sorted((name for name in guards if name.startswith(OF_STRATUM)), key=guards.__getitem__, reverse=True)
    quiet = set(strata[LOUDEST:])
    return {name: e for name, e in guards.items() if name not in quiet}


def _tick_row(
    tx: Transaction, watched: Watched, around: Surroundings, cover: tuple[float, float], *, must: bool
) -> TickRow | None:
    """The tick's own row, where a count or coverage changed or the last one is old."""
    ring = current_ring(tx, watched)
    fleet, last = watched.fold.fleet, watched.last_tick
    exposed_cover, control_cover = cover
    tallies = tx.adoptions.tallies(watched.record.id).values()
    policy = watched.record.policy
    overdue = sum(tally.overdue for tally in tallies)
    row = TickRow(
        rollout=watched.record.id,
        seq=watched.fold.next_seq,
        at=max(0.0, tx.at - watched.record.started_at),
        clock=watched.clock,
        ring=ring,
        reporting_bp=round(exposed_cover * 10_000),
        control_reporting_bp=round(control_cover * 10_000),
        exposed=int(np.count_nonzero(fleet.granted)),
        exposed_confirmed=int(np.count_nonzero(fleet.confirmed)),
        overdue=overdue,
        overdue_asleep=min(overdue, watched.fold.late_by_sleep(watched.clock, policy.overdue.total_seconds())),
        dark=sum(watched.fold.dark_by_ring().values()),
        outstanding=sum(tally.outstanding for tally in tallies),
        host_hours=watched.host_hours,
        control_host_hours=watched.control_host_hours,
        reboots=watched.fold.reboots,
        admitted=_admitted(watched, ring),
        blind=watched.blind,  # type: ignore[arg-type]  # literals of _blindness
    )
    old = around.elapsed - watched.last_tick_elapsed >= max(policy.judge.every, policy.heartbeat).total_seconds()
    if not must and not old and last is not None and _counts(row) == _counts(last):
        return None
    watched.fold.next_seq += 1
    watched.last_tick, watched.last_tick_elapsed = row, around.elapsed
    return row


def _counts(row: TickRow) -> tuple[object, ...]:
    return (
        row.ring,
        row.reporting_bp,
        row.control_reporting_bp,
        row.exposed,
        row.exposed_confirmed,
        row.overdue,
        row.overdue_asleep,
        row.dark,
        row.outstanding,
        row.reboots,
        row.admitted,
        row.blind,
    )


def current_ring(tx: Transaction, watched: Watched) -> str:
    """The ring in hand: the last one that admits or bakes, else the one of the last tick, else the first with hosts."""
    rings = tx.rollouts.rings(watched.record.id)
    begun = [ring.name for ring in rings if ring.state in BEGUN and ring.state != RingState.PROMOTED]
    if begun:
        return begun[-1]
    if watched.last_tick is not None:
        return watched.last_tick.ring
    return next((ring.name for ring in rings if ring.hosts), rings[0].name)


def _admitted(watched: Watched, ring: str) -> bool:
    """Wholly admitted (INTERFACES 1.8): nobody eligible and lately heard is ungranted, 90 % of a day's are granted."""
    fleet = watched.fold.fleet
    position = watched.fold.rings.index(ring)
    eligible = (fleet.turn == position) & fleet.members & fleet.directed
    silent = watched.clock - fleet.seen
    recent = eligible & (silent <= 3 * fleet.interval) & ~fleet.absent
    today = eligible & (silent <= 86_400.0)
    granted = np.count_nonzero(today & fleet.granted)
    waiting = bool((recent & ~fleet.granted).any())
    return bool(today.any()) and not waiting and bool(granted >= 0.9 * np.count_nonzero(today))
