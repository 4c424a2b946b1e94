"""The watch over a real store: takes over, judges, stops, and stands where the last owner stood."""

import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from sqlalchemy import update

from policies.document import Policy
from policies.profiles import profile
from rollout.adapters.store.core import Store
from rollout.adapters.store.migrate import migrate, open_store
from rollout.adapters.store.schema import member
from rollout.event import EventKind
from rollout.evidence.rows import FailureRow, read
from rollout.judge import Fold
from rollout.judge.replay import replay
from rollout.operation.watch import Watch
from rollout.ports.adoption import Adoption
from rollout.ports.host import HostRecord, Presence
from rollout.ports.rollout import Member, RingRecord, RolloutRecord
from rollout.ports.store import Transaction

HOSTS = 200
R = "r1"


class HandClock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def now(self) -> float:
        return self.at

    def elapsed(self) -> float:
        return self.at - 1_700_000_000.0


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(make_database: Callable[[], str], clock: HandClock) -> Iterator[Store]:
    url = make_database()
    migrate(url)
    opened = open_store(url, clock)
    opened.write(begin_rollout).result()
    yield opened
    opened.close()


def begin_rollout(tx: Transaction, policy: Policy = profile("demo")) -> None:  # noqa: B008 - one frozen value
    for number in range(1, HOSTS + 1):
        tx.hosts.enrol(HostRecord(0, f"h-{number}", "ed25519", b"k" * 32, {}, "desktop", tx.at))
    tx.hosts.save_presence([Presence(k, 1, "b", 1.0, "idle", 0, '{"edr":1}', None, tx.at) for k in range(1, HOSTS + 1)])
    names = [ring.name for ring in policy.rings]
    tx.rollouts.create(
        RolloutRecord(
            R, 1, "edr", 2, policy, "d", "running", tx.at, False, "ann", "try", tx.at, 1, "s", ("desktop",),
            tx.events.last(), tx.events.last_heard(), 0, None, None, False,
        ),
        [
            RingRecord(R, i, name, "admitting" if i == 0 else "waiting", tx.at, 60, 10 if i == len(names) - 1 else 0, 1)
            for i, name in enumerate(names)
        ],
    )  # fmt: skip
    tx.rollouts.enlist(
        R, [Member(k, names[0] if k <= 60 else "held-out", "desktop", 1, True, True) for k in range(1, HOSTS + 1)]
    )


def beat(store: Store, hosts: range | list[int]) -> None:
    store.write(lambda tx: tx.events.heard(np.array(list(hosts), np.int32))).result()


def grant(store: Store, host: int) -> None:
    def work(tx: Transaction) -> None:
        one = Adoption(
            f"a{host}", R, host, "edr", 2, profile("demo").rings[0].name, "desktop", 0, "open", None,
            False, True, tx.at, "b", 1,
        )  # fmt: skip
        order = tx.adoptions.grant(one)
        detail = {"ring": one.ring, "stratum": one.stratum, "order": order, "boot": "b"}
        tx.events.append(EventKind.GRANTED, host, rollout=R, adoption=one.id, detail=detail)

    store.write(work).result()


def crash(store: Store, host: int) -> None:
    def work(tx: Transaction) -> None:
        found = tx.adoptions.get(f"a{host}")
        if found is not None:
            tx.adoptions.fail(found, "crash")
        tx.events.append(EventKind.CRASHED, host, detail={"report": f"x{host}", "own": [], "before": []})

    store.write(work).result()


def pass_time(store: Store, watch: Watch, clock: HandClock, seconds: float, beating: Callable[[], object]) -> None:
    """Let seconds pass in steps of 250 ms with the gateway alive; `beating` speaks for the hosts each second."""
    for step in range(int(seconds * 4)):
        clock.at += 0.25
        store.write(lambda tx: tx.beacons.move("gateway/g", "g")).result()
        if step % 4 == 0:
            beating()
        watch.round()


def everyone(store: Store) -> Callable[[], object]:
    return lambda: beat(store, range(1, HOSTS + 1))


def watch_of(store: Store, clock: HandClock, owner: str = "w1") -> Watch:
    return Watch(store, clock, owner, heartbeat=1.0)


def state(store: Store) -> str:
    return store.read(lambda tx: tx.rollouts.get(R)).state


def test_a_quiet_fleet_is_judged_and_nothing_happens(store: Store, clock: HandClock) -> None:
    watch = watch_of(store, clock)
    pass_time(store, watch, clock, 5, everyone(store))
    judgement = store.read(lambda tx: tx.judging.judgement(R))
    assert judgement.verdict == "inconclusive"
    assert judgement.window == 5
    assert judgement.document["blind"] is None
    assert 4 <= judgement.clock <= 5
    assert state(store) == "running"


def test_five_reporting_deaths_roll_back_without_anyone(store: Store, clock: HandClock) -> None:
    watch = watch_of(store, clock)
    pass_time(store, watch, clock, 3, everyone(store))
    for host in range(1, 6):
        grant(store, host)
    pass_time(store, watch, clock, 1, everyone(store))
    for host in range(1, 6):
        crash(store, host)
        watch.round()
    assert state(store) == "rolling-back"
    assert {ring.state for ring in store.read(lambda tx: tx.rollouts.rings(R))} == {"halted"}
    assert any(row.kind == "judge.trip" for row in store.read(lambda tx: tx.people.audit(R)))


def test_five_silent_deaths_roll_back_without_anyone(store: Store, clock: HandClock) -> None:
    watch = watch_of(store, clock)
    pass_time(store, watch, clock, 3, everyone(store))
    for host in range(1, 6):
        grant(store, host)
    pass_time(store, watch, clock, 20, lambda: beat(store, range(6, HOSTS + 1)))
    assert state(store) == "rolling-back"
    assert [a.outcome for a in store.read(lambda tx: tx.adoptions.of_rollout(R))] == ["dark"] * 5


def test_announced_sleepers_are_overdue_and_pause_nothing(store: Store, clock: HandClock) -> None:
    watch = watch_of(store, clock)
    pass_time(store, watch, clock, 1, everyone(store))
    for host in range(1, 16):
        grant(store, host)
    pass_time(store, watch, clock, 1, everyone(store))

    def settle(tx: Transaction) -> None:
        for host in range(1, 6):
            tx.adoptions.confirm(tx.adoptions.get(f"a{host}"))
            tx.events.append(EventKind.CONFIRMED, host, rollout=R, adoption=f"a{host}")
        for host in range(6, 16):
            tx.events.append(EventKind.ASLEEP, host)

    store.write(settle).result()
    awake = [*range(1, 6), *range(16, HOSTS + 1)]
    pass_time(store, watch, clock, 8, lambda: beat(store, awake))
    last = watch.owned[R].last_tick
    assert (last.overdue, last.overdue_asleep, last.outstanding) == (10, 10, 10)
    assert watch.owned[R].judge.judgement().x == 10, "they count as failed until they confirm"
    assert state(store) == "running"


def test_a_silent_control_arm_is_blindness_not_evidence(store: Store, clock: HandClock) -> None:
    watch = watch_of(store, clock)
    pass_time(store, watch, clock, 3, everyone(store))
    for host in range(1, 6):
        grant(store, host)
    pass_time(store, watch, clock, 20, lambda: beat(store, range(1, 100)))
    judgement = store.read(lambda tx: tx.judging.judgement(R))
    assert judgement.verdict == "blind"
    assert judgement.clock < 8, "the rollout clock stands still while blind"
    assert state(store) == "running"


def test_no_gateway_is_blindness(store: Store, clock: HandClock) -> None:
    watch = watch_of(store, clock)
    pass_time(store, watch, clock, 3, everyone(store))
    for _ in range(40):
        clock.at += 0.25
        watch.round()
    assert store.read(lambda tx: tx.judging.judgement(R)).document["blind"] == "gateway"


def test_a_new_owner_stands_where_the_old_one_stood(store: Store, clock: HandClock) -> None:
    first = watch_of(store, clock)
    pass_time(store, first, clock, 3, everyone(store))
    for host in range(1, 4):
        grant(store, host)
    pass_time(store, first, clock, 2, everyone(store))
    crash(store, 1)
    first.round()
    pass_time(store, first, clock, 1, everyone(store))
    old = first.owned[R]

    second = watch_of(store, clock, "w2")
    pass_time(store, second, clock, 6, everyone(store))
    new = second.owned[R]
    assert new.epoch == old.epoch + 1
    assert new.judge.judgement().e == old.judge.judgement().e
    assert new.judge.judgement().window == old.judge.judgement().window
    assert np.array_equal(new.fold.fleet.granted, old.fold.fleet.granted)
    assert np.array_equal(new.fold.fleet.crashed, old.fold.fleet.crashed)
    everybody = slice(1, HOSTS + 1)
    assert np.allclose(new.fold.fleet.booted[everybody], old.fold.fleet.booted[everybody], atol=10.0)
    assert {c.adoption: c.granted for c in new.fold.courses.values()} == {
        c.adoption: c.granted for c in old.fold.courses.values()
    }


def test_rows_say_for_how_long_their_hosts_were_up(store: Store, clock: HandClock) -> None:
    long = [Presence(k, 1, "b", 1e6, "idle", 0, '{"edr":1}', None, clock.at) for k in range(101, HOSTS + 1)]
    store.write(lambda tx: tx.hosts.save_presence(long)).result()
    watch = watch_of(store, clock)
    pass_time(store, watch, clock, 3, everyone(store))
    crash(store, 7)
    crash(store, 150)
    watch.round()
    rows = [json.loads(line) for line in store.read(lambda tx: list(tx.judging.evidence(R)))]
    told = [(row["band"], row["control_at_risk"]) for row in rows if row.get("guard") == "crash"]
    assert told == [("<30m", 100), ("more", 100)]


def test_who_waits_for_a_later_ring_does_not_keep_its_own_from_being_wholly_admitted(
    store: Store, clock: HandClock
) -> None:
    later = profile("demo").rings[1].name
    store.write(lambda tx: tx.connection.execute(update(member).where(member.c.host == 60).values(turn=later))).result()
    watch = watch_of(store, clock)
    pass_time(store, watch, clock, 1, everyone(store))
    for host in range(1, 59):
        grant(store, host)
    for host, admitted in ((59, False), (None, True)):
        pass_time(store, watch, clock, 1, everyone(store))
        assert watch.owned[R].last_tick.admitted is admitted
        if host is not None:
            grant(store, host)


def test_an_owner_that_slept_writes_nothing_after_another_took_over(store: Store, clock: HandClock) -> None:
    first, second = watch_of(store, clock), watch_of(store, clock, "w2")
    pass_time(store, first, clock, 2, everyone(store))
    pass_time(store, second, clock, 7, everyone(store))
    assert R in second.owned
    before = store.read(lambda tx: tx.judging.last_evidence(R))
    first.round()
    assert R not in first.owned
    assert store.read(lambda tx: tx.judging.last_evidence(R)) == before


def test_stored_evidence_refolds_to_the_stored_judgement(store: Store, clock: HandClock) -> None:
    watch = watch_of(store, clock)
    pass_time(store, watch, clock, 3, everyone(store))
    for host in range(1, 6):
        grant(store, host)
    pass_time(store, watch, clock, 1, everyone(store))
    crash(store, 2)
    pass_time(store, watch, clock, 2, everyone(store))
    lines = list(store.read(lambda tx: list(tx.judging.evidence(R))))
    rows = read(lines)[R]
    fold = Fold(profile("demo"), rows[0])
    fold.take(rows[1:])
    stored = store.read(lambda tx: tx.judging.judgement(R))
    assert fold.judgement().e == stored.document["e"]["halt"]
    assert fold.judgement().window == stored.window
    assert fold.judgement() == watch.owned[R].judge.judgement(), "to the last bit, sentences included"
    assert {row.band for row in rows if isinstance(row, FailureRow)} == {"<30m"}
    answer = replay(rows)
    assert (answer["e"]["halt"], answer["window"], answer["verdict"]) == (
        stored.document["e"]["halt"], stored.window, stored.verdict,
    )  # fmt: skip
    assert answer["ratio"] == stored.document["ratio"]


def test_later_comers_are_placed_when_they_are_first_heard_in_any_order(store: Store, clock: HandClock) -> None:
    watch = watch_of(store, clock)
    pass_time(store, watch, clock, 1, everyone(store))

    def enlist(host: int) -> Callable[[Transaction], None]:
        return lambda tx: tx.rollouts.enlist(R, [Member(host, "canary", "desktop", 1, True)])

    for host in (HOSTS + 2, HOSTS + 1):
        store.write(enlist(host)).result()
        beat(store, [host])
        pass_time(store, watch, clock, 0.5, everyone(store))
        assert watch.owned[R].fold.fleet.members[host]
