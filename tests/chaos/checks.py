"""What must hold after every fault and at the end of a round: the store's records against themselves and the fleet."""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import isclose

from sqlalchemy import select

from policies.load import load
from rollout.adapters.store.schema import crash, host, presence
from rollout.adapters.store.transaction import Transaction
from rollout.audit import first_broken
from rollout.event import EventKind
from rollout.evidence.rows import EvidenceError, read
from rollout.judge.replay import replay
from rollout.ringmap import HELD_OUT
from rollout.simulation.swarm.fleet import Member
from rollout.simulation.swarm.host import Stage as HostStage
from rollout.telemetry import counters
from tests.chaos.ledger import Ledger
from tests.chaos.violation import Violation

COUNTS = ("granted", "confirmed", "failed", "overdue", "outstanding")
FIRST_BATCH = 5
DEADLY = frozenset({"lethal", "boot-loop"})


def acknowledged(tx: Transaction, ledger: Ledger) -> Iterator[Violation]:
    """Nothing that was answered 2xx is lost: enrolments, beats, crashes. `ledger` is older than `tx`."""
    hosts = {row.id: row for row in tx.connection.execute(select(host))}
    spoken = {row.host: row for row in tx.connection.execute(select(presence))}
    reports = {(row.host, row.report) for row in tx.connection.execute(select(crash.c.host, crash.c.report))}
    for name, key in ledger.enrolled.items():
        if name not in hosts or b64encode(hosts[name].public_key).decode() != key:
            yield Violation("acknowledged-lost", f"{name} was enrolled with another key than is stored, or is not")
    for name, beat in ledger.beats.items():
        kept = spoken.get(hosts[name].key) if name in hosts else None
        if kept is None or kept.seq < beat["seq"]:
            yield Violation("acknowledged-lost", f"beat {beat['seq']} of {name} was taken; {kept and kept.seq} is kept")
        elif kept.seq == beat["seq"] and dict(counters(kept.running)) != beat["running"]:
            yield Violation("acknowledged-lost", f"{name} said it runs {beat['running']}, {kept.running} is kept")
    for name, sent in ledger.crashes.items():
        for report in sent:
            if (hosts[name].key, report) not in reports:
                yield Violation("acknowledged-lost", f"crash {report} of {name} was taken and is not kept")


def adoptions(tx: Transaction, rollout: str, ledger: Ledger, stopped_at: float | None) -> Iterator[Violation]:
    """No adoption is lost or doubled, and no host was let go that asked after a stop."""
    record = tx.rollouts.get(rollout)
    kept = {each.id: each for each in tx.adoptions.of_rollout(rollout)}
    names = {row.key: row.id for row in tx.connection.execute(select(host.c.key, host.c.id))}
    received: dict[str, set[str]] = {}
    for go in ledger.goes:
        if go.counter != record.counter:
            continue
        received.setdefault(go.host, set()).add(go.adoption)
        if go.adoption not in kept or names[kept[go.adoption].host] != go.host:
            yield Violation("adoption-lost", f"{go.host} was let go with {go.adoption}, which the store does not know")
        if stopped_at is not None and go.asked > stopped_at:
            yield Violation("go-after-stop", f"{go.host} asked {go.asked - stopped_at:.2f} s after the stop: go")
    for name, ids in received.items():
        if len(ids) > 1:
            yield Violation("adoption-doubled", f"{name} was let go as {len(ids)} adoptions")
    for key, count in Counter(each.host for each in kept.values()).items():
        if count > 1:
            yield Violation("adoption-doubled", f"{names[key]} has {count} adoptions")
    granted = [e.adoption for e in tx.events.after(record.first_event, 2**62) if _grants(e, rollout)]
    if sorted(granted) != sorted(kept):
        yield Violation("adoption-lost", f"{len(granted)} grants in the events, {len(kept)} adoptions")
    yield from _tallies(tx, rollout)


def _grants(event, rollout: str) -> bool:
    return event.kind is EventKind.GRANTED and event.rollout == rollout


def _tallies(tx: Transaction, rollout: str) -> Iterator[Violation]:
    counted: dict[tuple[str, str], Counter[str]] = {}
    for each in tx.adoptions.of_rollout(rollout):
        found = counted.setdefault((each.ring, each.stratum), Counter())
        found.update({"granted": 1, "outstanding": int(each.holding), "overdue": int(each.overdue), each.state: 1})
    for place, tally in tx.adoptions.tallies(rollout).items():
        want = {name: counted.get(place, Counter())[name] for name in COUNTS}
        if (have := {name: getattr(tally, name) for name in COUNTS}) != want:
            yield Violation("adoption-lost", f"the tally of {place} says {have}, its adoptions {want}")


def evidence(tx: Transaction, rollout: str) -> Iterator[Violation]:
    """P7: the recorded evidence gives the stored judgement again; and the audit chain is whole."""
    broken = first_broken(asdict(row) for row in tx.people.audit(limit=2**62))
    if broken is not None:
        yield Violation("audit", f"the audit chain is broken at row {broken}")
    judged = tx.judging.judgement(rollout)
    if judged is None:
        return
    try:
        rows = read(tx.judging.evidence(rollout, limit=2**62))[rollout]
        found = replay(rows, load(tx.rollouts.get(rollout).policy.document()))
    except EvidenceError as error:
        yield Violation("evidence", str(error))
        return
    if rows[-1].seq != judged.evidence:
        yield Violation("evidence", f"the judgement is of row {judged.evidence}, the evidence ends at {rows[-1].seq}")
    elif (found["verdict"], found["window"]) != (judged.verdict, judged.window) or not isclose(
        found["e"]["halt"], judged.document["e"]["halt"], rel_tol=1e-9
    ):
        said = f"{judged.verdict}, window {judged.window}, E {judged.document['e']['halt']}"
        yield Violation("evidence", f"judged as {said}; its evidence gives {found}")


def fleet_truth(members: Mapping[str, Member], origins: Mapping[str, int]) -> Iterator[str]:
    """Name every touched host that lives and is not on what it ran before the rollout."""
    for name, member in members.items():
        if member.host.stage is not HostStage.DEAD and member.host.running != origins[name]:
            yield name


def end_state(
    tx: Transaction, rollout: str, kind: str, members: Mapping[str, Member], origins: Mapping[str, int]
) -> Iterator[Violation]:
    """The rollout ended as it should: a good one completed, any other rolled back with everybody on its own release."""
    state = tx.rollouts.get(rollout).state
    wanted = "completed" if kind == "good" else "rolled-back"
    if state != wanted:
        yield Violation("end-state", f"a {kind} rollout is {state}, not {wanted}")
    held_out = {m.host for m in tx.rollouts.members(rollout) if m.ring == HELD_OUT}
    names = {row.id: row.key for row in tx.connection.execute(select(host.c.key, host.c.id))}
    touched = {each.host for each in tx.adoptions.of_rollout(rollout)}
    away = set(fleet_truth(members, origins))
    for name in away:
        if names[name] in held_out:
            yield Violation("end-state", f"{name} is held out and runs another release than before")
    if held_out & touched:
        yield Violation("end-state", f"{len(held_out & touched)} held-out hosts were let go")
    if kind != "good":
        yield from (Violation("end-state", f"{name} is not back on what it ran before") for name in sorted(away))
    harmed = sum(member.host.stage is HostStage.DEAD for member in members.values())
    if kind in DEADLY and harmed > FIRST_BATCH:
        yield Violation("window", f"a {kind} release killed {harmed} hosts")
