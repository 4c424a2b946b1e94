"""The watch and numbers beside crashes: who reports worse than control is stopped, and another owner knows who was."""

import json
from collections.abc import Callable, Iterator

import pytest

from policies.document import Policy
from policies.lint import lint
from policies.load import load
from policies.profiles import profile
from rollout.adapters.store.core import Store
from rollout.adapters.store.migrate import migrate, open_store
from rollout.event import EventKind
from rollout.evidence.rows import MeasureRow, read
from rollout.judge.replay import replay
from rollout.operation.watch import Watch
from rollout.ports.event import Happened
from rollout.ports.store import Transaction
from tests.adapters.test_watch import HOSTS, HandClock, R, beat, begin_rollout, everyone, grant, pass_time, state

CPU = {"name": "cpu", "lowest": 0, "highest": 1, "margin": 0.02, "weight": 0.2}


def policy() -> Policy:
    told = json.loads(json.dumps(profile("demo").document()))
    told["judge"] |= {"measures": [CPU], "weights": told["judge"]["weights"] | {"crash": 0.1}}
    found = load(told)
    assert lint(found).refusals == ()
    return found


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(make_database: Callable[[], str], clock: HandClock) -> Iterator[Store]:
    url = make_database()
    migrate(url)
    opened = open_store(url, clock)
    opened.write(lambda tx: begin_rollout(tx, policy())).result()
    yield opened
    opened.close()


def confirm(store: Store, hosts: range) -> None:
    def work(tx: Transaction) -> None:
        ours = [tx.adoptions.get(f"a{host}") for host in hosts]
        told = tx.adoptions.confirm_all(ours)
        tx.events.extend([Happened(EventKind.CONFIRMED, one.host, {}, R, one.id) for one in ours if one.id in told])

    store.write(work).result()


def measuring(store: Store, of: Callable[[int], float | None]) -> Callable[[], None]:
    """Everybody beats and reports."""
    seqs = iter(range(2, 10**6))

    def work() -> None:
        seq = next(seqs)
        said = {host: of(host) for host in range(1, HOSTS + 1)}
        texts = {host: None if value is None else json.dumps({"cpu": value}) for host, value in said.items()}
        rows = [(seq, 100.0, text, 1.0, host) for host, text in texts.items()]
        store.write(lambda tx: tx.hosts.touch(rows)).result()
        beat(store, range(1, HOSTS + 1))

    return work


def exposed(store: Store, watch: Watch, clock: HandClock, hosts: range) -> None:
    pass_time(store, watch, clock, 1, everyone(store))
    for host in hosts:
        grant(store, host)
    pass_time(store, watch, clock, 1, everyone(store))
    confirm(store, hosts)
    pass_time(store, watch, clock, 1, everyone(store))


def evidence(store: Store) -> list[str]:
    return store.read(lambda tx: list(tx.judging.evidence(R)))


def pairs_of(store: Store) -> list[MeasureRow]:
    return [row for row in read(evidence(store))[R] if isinstance(row, MeasureRow)]


def test_exposed_hosts_that_measure_worse_roll_the_release_back(store: Store, clock: HandClock) -> None:
    watch = Watch(store, clock, "w1", heartbeat=1.0)
    exposed(store, watch, clock, range(1, 31))
    assert pairs_of(store) == [], "nobody has measured anything yet"
    pass_time(store, watch, clock, 3, measuring(store, lambda host: 0.8 if host <= 30 else 0.1))
    assert state(store) == "rolling-back"
    rows = pairs_of(store)
    assert len(rows) == 30
    assert {(row.exposed, row.control, row.ring) for row in rows} == {(0.8, 0.1, profile("demo").rings[0].name)}
    judged = store.read(lambda tx: tx.judging.judgement(R))
    assert "most of it from measure cpu" in judged.document["halt"]
    assert "in 30 pairs exposed hosts report 0.8 on average and control hosts 0.1" in judged.document["sentence"]
    assert judged.document["e"]["guards"]["measure:cpu"] > 500
    assert read(evidence(store))[R][0].measures == {"cpu": 0.2}
    answer = replay(read(evidence(store))[R])
    assert (answer["e"]["halt"], answer["sentence"]) == (
        judged.document["e"]["halt"], watch.owned[R].judge.judgement().sentence,
    )  # fmt: skip
    pass_time(store, watch, clock, 3, measuring(store, lambda _: 0.5))
    assert len(pairs_of(store)) == 30, "what is being put back is measured no more"


@pytest.mark.slow
def test_exposed_hosts_that_measure_as_control_does_are_left_alone(store: Store, clock: HandClock) -> None:
    watch = Watch(store, clock, "w1", heartbeat=1.0)
    exposed(store, watch, clock, range(1, 31))
    pass_time(store, watch, clock, 4, measuring(store, lambda host: (host * 37 % 100) / 100))
    assert state(store) == "running"
    assert len(pairs_of(store)) == 30
    assert watch.owned[R].judge.judgement().e < 2


def test_a_measure_that_one_arm_does_not_report_says_nothing(store: Store, clock: HandClock) -> None:
    watch = Watch(store, clock, "w1", heartbeat=1.0)
    exposed(store, watch, clock, range(1, 31))
    pass_time(store, watch, clock, 3, measuring(store, lambda host: 0.9 if host <= 30 else None))
    assert (state(store), pairs_of(store)) == ("running", [])
    terms = store.read(lambda tx: tx.judging.judgement(R)).document["terms"]
    said = next(term["sentence"] for term in terms if term["name"] == "measure:cpu")
    assert said == "Measure cpu is 1: no pair of an exposed and a control host has reported it."


@pytest.mark.slow
def test_another_owner_pairs_nobody_again_and_stands_where_the_last_one_stood(store: Store, clock: HandClock) -> None:
    first, second = (Watch(store, clock, name, heartbeat=1.0) for name in ("w1", "w2"))
    exposed(store, first, clock, range(1, 21))
    reporting = measuring(store, lambda host: 0.3 if host <= 10 else 0.2 if host > 20 else None)
    pass_time(store, first, clock, 3, reporting)
    before, old = pairs_of(store), first.owned[R]
    assert len(before) == 10
    pass_time(store, second, clock, 8, reporting)
    assert second.owned[R].epoch == old.epoch + 1
    assert pairs_of(store) == before
    assert second.owned[R].judge.judgement().guards == old.judge.judgement().guards
    pass_time(store, second, clock, 3, measuring(store, lambda _: 0.2))
    assert len(pairs_of(store)) == 20, "those who had not reported were still free"
    paired = [host for event in store.read(lambda tx: tx.events.after(0)) if event.kind is EventKind.MEASURED
              for host in (event.host, event.detail["other"])]  # fmt: skip
    assert len(set(paired)) == len(paired) == 40
