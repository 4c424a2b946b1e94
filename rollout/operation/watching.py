"""One rollout's watch, rebuilt from the store by whoever owns it: events and evidence up to the last judgement.

Nothing here is a truth of its own: an owner that fails in the middle of a tick throws its `Watched` away and
builds another.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rollout.event import Event, EventKind
from rollout.evidence.fleet import SEVEN_DAYS
from rollout.evidence.fold import EvidenceFold
from rollout.evidence.rows import Header, TickRow, parse
from rollout.judge import Fold
from rollout.ports.judging import StoredJudgement, TickMark
from rollout.ports.rollout import RolloutRecord
from rollout.ports.store import Transaction

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
    watched = Watched(
        record,
        epoch,
        header,
        fold,
        Fold(record.policy, header),
        elapsed,
        elapsed + record.policy.heartbeat.total_seconds(),
        heartbeat,
    )
    judgement = tx.judging.judgement(record.id)
    events = tx.events.after(record.first_event, limit=2**62)
    enlist(tx, watched, heard=elapsed - _age(tx, record.started_at, judgement, 0.0))
    _exclude(tx, watched)
    _set_absent(tx, watched, events)
    if judgement is None:
        watched.event, watched.beat = record.first_event, record.first_beat
    else:
        _replay(tx, watched, judgement, [event for event in events if event.seq <= judgement.event])
        _replay_evidence(tx, watched)
    _boot(tx, watched)
    return watched


def enlist(
    tx: Transaction, watched: Watched, hosts: Collection[int] | None = None, *, heard: float | None = None
) -> None:
    """Place members: everybody (None) at first, later comers when they are first heard.

    `heard`: when those who were active at the start are presumed to have spoken, on our own clock; None: now.
    """
    fold = watched.fold
    places = [
        fold.place(m.host, m.ring, m.stratum, directed=m.directed, active=m.active, turn=m.turn)
        for m in tx.rollouts.members(watched.record.id, hosts)
    ]
    fold.fleet.place(places, watched.clock, watched.elapsed if heard is None else heard)


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
        measures={each.name: each.weight for each in record.policy.judge.measures} or None,
    )


def _exclude(tx: Transaction, watched: Watched) -> None:
    began = watched.record.started_at
    for host in tx.hosts.crashed_between(began - SEVEN_DAYS, began):
        watched.fold.fleet.grow(host)
        watched.fold.fleet.excluded[host] = True


def _boot(tx: Transaction, watched: Watched) -> None:
    """When each host's present boot began, by the rollout clock; one that nobody placed comes with its first beat."""
    fleet = watched.fold.fleet
    for host, booted in tx.hosts.booted():
        if host < fleet.ring.size:
            fleet.booted[host] = watched.clock - max(0.0, tx.at - booted)


def _set_absent(tx: Transaction, watched: Watched, events: Sequence[Event]) -> None:
    """Who was asleep when the rollout began: its events tell the rest.

    `events`: all since then. Asleep now and silent about it since, or heard of first as waking up.
    """
    fleet = watched.fold.fleet
    said: dict[int, EventKind] = {}
    for event in events:
        if event.kind in {EventKind.ASLEEP, EventKind.AWAKE}:
            said.setdefault(event.host, event.kind)
    asleep = {host for host in tx.hosts.absent() if host not in said}
    for host in asleep | {host for host, kind in said.items() if kind is EventKind.AWAKE}:
        fleet.grow(host)
        fleet.absent[host] = True


def _replay(tx: Transaction, watched: Watched, judgement: StoredJudgement, events: Sequence[Event]) -> None:
    """Hear and fold in the order of the ticks: a beat clears what went dark before it, and nothing after it."""
    fold = watched.fold
    log = [row for row in tx.events.heard_after(watched.record.first_beat) if row[0] <= judgement.beat]
    interval = watched.record.policy.heartbeat.total_seconds()
    heard, folded, clock = 0, 0, 0.0
    for mark in _marks(tx, judgement):
        while heard < len(log) and log[heard][0] <= mark.beat:
            _, at, hosts = log[heard]
            fold.fleet.hear(hosts, mark.clock, watched.elapsed - _age(tx, at, judgement, mark.clock), interval)
            heard += 1
        fold.sleep(max(0.0, mark.clock - clock))
        clock, start = mark.clock, folded
        while folded < len(events) and events[folded].seq <= mark.event:
            folded += 1
        fold.take(events[start:folded], 0.0, clock)
    if judgement.beat > watched.record.first_beat and (not log or log[0][0] > watched.record.first_beat + 1):
        _spare_unlogged(watched, log, judgement.clock)
    watched.event, watched.beat = judgement.event, judgement.beat
    watched.clock, watched.counter = judgement.clock, judgement.counter


def _age(tx: Transaction, at: float, judgement: StoredJudgement | None, clock: float) -> float:
    """How long ago a beat came, at least, in seconds: by the rollout clock and by the store's, whichever says more.

    Of a blind judgement nothing is believed: its clock stood still.
    """
    if judgement is None:
        return max(0.0, tx.at - at)
    return max(0.0, tx.at - at, judgement.clock - clock) if judgement.verdict != "blind" else float("inf")


def _spare_unlogged(watched: Watched, log: Sequence[tuple[int, float, NDArray[np.int32]]], clock: float) -> None:
    """Who is not in what is left of the log and was not marked dark was silent through a blindness: begin anew."""
    fleet = watched.fold.fleet
    unlogged = fleet.members & ~fleet.dark
    for _, _, hosts in log:
        unlogged[hosts] = False
    fleet.seen[unlogged] = clock


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
