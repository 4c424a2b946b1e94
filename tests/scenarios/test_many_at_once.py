"""Many hosts in one transaction are answered as if each had come alone, and leave the same rows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from policies.load import load
from rollout.admission import No, Reason, Wait
from rollout.evidence.fold import Due
from rollout.operation import admit
from rollout.operation.admit import Granted
from rollout.operation.deadline import mark
from rollout.operation.record import Refused
from rollout.ports.event import EventKind
from rollout.ports.host import HostRecord
from tests.scenarios.promise_world import ATTRIBUTES, NEW, OLD, Body, R, World, world

ALONE, TOGETHER = 1, 1_000  # hosts in a transaction
NEWCOMER, SILENT, STRANGER = 61, 62, 99


def prepare(here: World) -> None:
    """Host 1 is confirmed, 2 has an open go, 3 sleeps; 61 and 62 appeared since, and 62 never spoke."""
    here.pass_time(3)
    here.ask([1, 2])
    here.apply(1)
    here.pass_time(5)
    here.sleep(3)
    for key in (NEWCOMER, SILENT):
        here.bodies[key] = Body(f"h-{key}")
        here.write(lambda tx, key=key: tx.hosts.enrol(HostRecord(0, f"h-{key}", "ed25519", b"k", ATTRIBUTES, "", 0.0)))
    here.beat([NEWCOMER])
    here.bodies[STRANGER] = Body("nobody")
    here.write(lambda tx: tx.hosts.retire(12))
    assert [here.adoption(host).state for host in (1, 2)] == ["confirmed", "open"]


def open_window(here: World, window: int, **windows: int) -> None:
    """What the judge would have said."""
    base = here.judgement
    changed = {"counter": base.counter + 1, "event": 10**6, "window": window, "windows": windows}
    here.write(lambda tx: tx.judging.save(replace(base, **changed)))
    here.look()


def sliced(work: Callable[[Sequence[int]], Any], hosts: Sequence[int], size: int) -> list[Any]:
    found: list[Any] = []
    for start in range(0, len(hosts), size):
        found += work(hosts[start : start + size]) or []
    return found


def rows(here: World) -> list[Any]:
    """Everything that questions and beats write, but for how beats were logged."""

    def look(tx: Any) -> list[Any]:
        events = [(e.seq, e.kind, e.host, e.rollout, e.adoption, dict(e.detail)) for e in tx.events.after(0)]
        heard = {key for _, _, keys in tx.events.heard_after(0) for key in keys.tolist()}
        members = tx.rollouts.members(R)
        spoken = tx.hosts.presence(sorted(here.bodies))
        presence = {key: one._replace(at=stamped(one.at)) for key, one in spoken.items()}
        adoptions = [
            replace(one, granted_at=stamped(one.granted_at), resolved_at=stamped(one.resolved_at))
            for one in tx.adoptions.of_rollout(R)
        ]
        return [adoptions, tx.adoptions.tallies(R), events, heard, members, presence]

    return here.read(look)


def stamped(at: float | None) -> float | None:
    """To the millisecond: without what tells the commits of one moment apart."""
    return None if at is None else round(at, 3)


def said(answers: Sequence[admit.Answered]) -> list[object]:
    """Goes by their adoption, refusals by their reason, waits by why."""
    words: dict[type, Callable[[Any], object]] = {
        Granted: lambda it: it.adoption,
        Wait: lambda it: it.why,
        No: lambda it: it.reason,
        Refused: lambda it: it,
    }
    return [words[type(answer)](answer) for answer in answers]


def by_host(events: Sequence[Any]) -> list[Any]:
    """Without the order between hosts: in a transaction, what hosts run is told before what that proves."""
    return sorted((event[1:] for event in events), key=lambda event: event[1])


CROWD = [2, 1, 40, 4, 4, STRANGER, 12, 6, 8, 3, 3, 5, SILENT, 7, NEWCOMER, 9, 11, 13, 4, 2]


def test_questions_that_share_a_transaction_are_answered_as_each_alone(tmp_path: Path) -> None:
    found = []
    for size in (ALONE, TOGETHER):
        (folder := tmp_path / str(size)).mkdir()
        with world(folder) as here:
            prepare(here)
            open_window(here, 8, s0=3, s1=20)
            answers = said(sliced(here.ask, CROWD, size))
            found.append((answers, rows(here)))
    assert found[0] == found[1]
    answers, (adoptions, tallies, events, heard, *_) = found[-1]
    full, crowded = "8 outstanding, window 8", "3 outstanding in the stratum, window 3"
    two, four, six, three, five, silent, seven, newcomer = (
        next(one.id for one in adoptions if one.host == host) for host in (2, 4, 6, 3, 5, SILENT, 7, NEWCOMER)
    )
    assert answers == [
        two, Reason.ALREADY, Reason.HELD_OUT, four, four, Reason.UNKNOWN_HOST, Reason.UNKNOWN_HOST, six, crowded,
        three, three, five, silent, seven, newcomer, full, full, full, four, two,
    ]  # fmt: skip
    assert [one.order for one in adoptions] == list(range(len(adoptions)))
    assert sum(tally.outstanding for tally in tallies.values()) == 8
    granted = [host for _, kind, host, *_ in events if kind is EventKind.GRANTED]
    assert len(granted) == len(set(granted)) == 9
    woken = [(kind, host) for _, kind, host, *_ in events if host in {3, SILENT}]
    assert woken[-4:] == [
        (EventKind.AWAKE, 3), (EventKind.GRANTED, 3), (EventKind.JOINED, SILENT), (EventKind.GRANTED, SILENT)
    ]  # fmt: skip
    assert set(granted) <= heard


def test_a_minutes_worth_counts_the_grants_of_the_same_transaction(tmp_path: Path) -> None:
    ring = {"name": "canary", "max_per_minute": 4}
    rest = {"name": "rest", "size": {"rest": True}}
    policy = load({"schema": "rollout.policy/1", "name": "p", "kind": "content", "rings": [ring, rest]})
    with world(tmp_path, policy=policy) as here:
        here.pass_time(3)
        open_window(here, 50, s0=50, s1=50)
        assert [type(answer) for answer in here.ask([1])] == [Granted]
        assert said(here.ask(range(2, 7)))[3:] == ["4 granted within a minute"] * 2
        assert len(here.events("granted")) == 4


def test_beats_that_share_a_transaction_settle_as_each_alone(tmp_path: Path) -> None:
    found = []
    for size in (ALONE, TOGETHER):
        (folder := tmp_path / str(size)).mkdir()
        with world(folder) as here:
            prepare(here)
            open_window(here, 20, s0=20, s1=20)
            here.ask(range(4, 14))
            for host in range(4, 12):
                here.bodies[host].running, here.bodies[host].phase = NEW, "applied"
            sliced(here.beat, range(4, 14), size)
            here.clock.move(5)
            for host in (4, 5):
                here.bodies[host].running, here.bodies[host].phase = OLD, "reverted"
            here.crash(6)
            here.bodies[7].boot, here.bodies[7].booted = 2, here.clock.boot
            here.bodies[8].adoption = "somebody else's"
            sliced(here.beat, [*range(2, 14), 9, 4], size)
            found.append(rows(here))
    adoptions, tallies, events, *_ = found[-1]
    alone, together = ([*each[:2], by_host(each[2]), *each[3:]] for each in found)
    assert alone == together
    states = {one.host: one.outcome or one.state for one in adoptions}
    assert states == {
        1: "confirmed", 2: "open", 4: "reverted", 5: "reverted", 6: "crash", 7: "open", 8: "open", 9: "confirmed",
        10: "confirmed", 11: "confirmed", 13: "open",
    }  # fmt: skip
    kinds = [(kind, host) for _, kind, host, *_ in events if kind in {EventKind.CONFIRMED, EventKind.REVERTED}]
    assert kinds[1:] == [
        (EventKind.REVERTED, 4), (EventKind.REVERTED, 5), *((EventKind.CONFIRMED, host) for host in (9, 10, 11))
    ]  # fmt: skip
    assert sum(tally.outstanding for tally in tallies.values()) == sum(one.holding for one in adoptions)


@pytest.fixture
def late(tmp_path: Path):
    """Ten hosts with open adoptions, 5 of which is confirmed; who they are by host."""
    with world(tmp_path) as here:
        here.pass_time(3)
        open_window(here, 20, s0=20, s1=20)
        here.ask(range(1, 11))
        here.mine = {host: here.adoption(host) for host in range(1, 11)}
        here.write(lambda tx: tx.adoptions.confirm(here.mine[5]))
        here.write(lambda tx: tx.adoptions.fail(here.mine[6], "crash"))
        yield here


def test_deadlines_of_one_tick_say_each_thing_once_and_nothing_of_what_is_settled(late: World) -> None:
    said_of = [
        (EventKind.DARK, 1), (EventKind.DARK, 20), (EventKind.OVERDUE, 1), (EventKind.OVERDUE, 2),
        (EventKind.EXPIRED, 3), (EventKind.OVERDUE, 5), (EventKind.EXPIRED, 5), (EventKind.RESOLVED, 6),
    ]  # fmt: skip
    due = [Due(kind, host, late.mine[host].id if host in late.mine else None) for kind, host in said_of]
    late.write(lambda tx: mark(tx, R, due))
    written = [(event.kind, event.host) for event in late.events("dark", "overdue", "expired", "resolved")]
    assert written == [said_of[index] for index in (0, 1, 3, 4, 7)]
    now = {host: late.adoption(host) for host in late.mine}
    assert [now[host].outcome for host in (1, 2, 3, 5, 6)] == ["dark", None, "deadline", None, "crash"]
    assert [host for host, one in now.items() if one.overdue] == [2]
    assert [host for host, one in now.items() if not one.holding] == [5, 6]
    late.write(lambda tx: mark(tx, R, due))
    assert len(late.events("overdue", "expired", "resolved")) == 3 + 2  # late and released ones are said again
