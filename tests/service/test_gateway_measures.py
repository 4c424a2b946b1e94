"""Numbers beside crashes, through the real gateway: what is judged is kept, and worse numbers stop a rollout."""

import threading
from contextlib import contextmanager

import pytest

from policies.load import load
from rollout.adapters.clock import SystemClock
from rollout.evidence.rows import MeasureRow, read
from rollout.judge.replay import replay
from rollout.operation.watch import Watch
from rollout.ringmap import POINTS
from tests.service.gateway_world import NEW, PRODUCT, until, world

WEIGHTS = {"crash": 0.05, "crash_or_dark": 0.05, "dark": 0.05, "own": 0.05, "strata": 0.30}
MEASURES = [
    {"name": "cpu", "lowest": 0, "highest": 1, "margin": 0.02, "weight": 0.4},
    {"name": "boot.seconds", "lowest": 0, "highest": 600, "margin": 15, "weight": 0.1},
]
POLICY = {
    "heartbeat": "30s",
    "confirm": {"uptime": "1s", "reboots": 0, "deadline": "10m"},
    "judge": {"every": "200ms", "weights": WEIGHTS, "measures": MEASURES},
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with world(tmp_path_factory.mktemp("measures") / "data") as found:
        yield found


@pytest.fixture
def place(shared):
    shared.empty()
    return shared


def said(place, host):
    key = place.store.read(lambda tx: tx.hosts.find(host).key)
    return place.store.read(lambda tx: tx.hosts.measures([key])).get(key)


def test_only_what_is_judged_is_kept_and_only_of_the_latest_beat(place):
    one, two = place.fleet(2)
    told = {"cpu": 0.25, "boot.seconds": 31, "fan": 2000}
    assert place.signed(one, "/v1/beats", place.beat(one, measures=told)).status_code == 202
    assert said(place, one) is None, "no rollout judges it"
    place.start(policy=POLICY)
    assert place.signed(one, "/v1/beats", place.beat(one, measures=told)).status_code == 202
    batch = {"beats": [place.beat(two, measures={"fan": 1}), place.beat(two, measures={"cpu": -3.5})]}
    assert place.send("/v1/beats", batch).status_code == 202
    assert (said(place, one), said(place, two)) == ({"cpu": 0.25, "boot.seconds": 31}, {"cpu": -3.5})
    place.signed(one, "/v1/beats", place.beat(one, measures=None))
    place.signed(two, "/v1/beats", place.beat(two, boot="b2", measures={"boot.seconds": 40.5}))
    assert (said(place, one), said(place, two)) == (None, {"boot.seconds": 40.5})


def test_a_replayed_beat_changes_no_measure(place):
    (host,) = place.fleet(1)
    place.start(policy=POLICY)
    beat = place.beat(host, measures={"cpu": 0.5})
    place.signed(host, "/v1/beats", beat)
    assert place.signed(host, "/v1/beats", beat | {"measures": {"cpu": 0.1}}).status_code == 202
    assert said(place, host) == {"cpu": 0.5}


@contextmanager
def watched(place):
    """A worker's watch beside the gateway, and an engine that is seen."""
    watch, ended = Watch(place.store, SystemClock(), "w", heartbeat=30.0), threading.Event()

    def work():
        while not ended.wait(0.05):
            place.write(lambda tx: [tx.beacons.move(name, "w") for name in ("engine", "lease-loop")])
            watch.round()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(60)


class Life:
    """Hosts that ask, adopt and report; those that run the new release say `worse`."""

    def __init__(self, place, hosts, worse):
        self.place, self.hosts, self.worse, self.runs = place, hosts, worse, {}

    def round(self):
        asking = [host for host in self.hosts if host not in self.runs]
        answer = self.place.send("/v1/adoptions", {"adoptions": [self.place.question(host) for host in asking]})
        for host, told in zip(asking, answer.json()["answers"], strict=True):
            if told["answer"] == "go":
                self.runs[host] = told["adoption"]
        for uptime in (101.0, 103.0):
            beats = [self.place.beat(host, uptime=uptime, **self.spoken(host)) for host in self.hosts]
            assert self.place.send("/v1/beats", {"beats": beats}).status_code == 202
        return self.place.store.read(lambda tx: tx.rollouts.get("r1")).state

    def spoken(self, host):
        if host not in self.runs:
            return {"measures": {"cpu": 0.1, "boot.seconds": 30}}
        now = {"running": {PRODUCT: NEW}, "adoption": self.runs[host], "phase": "applied"}
        return now | {"measures": {"cpu": self.worse, "boot.seconds": 30}}


@pytest.mark.slow
def test_a_release_that_costs_too_much_is_stopped_though_nobody_crashes(place):
    life = Life(place, place.fleet(120), 0.9)
    place.start(policy=POLICY, upto=POINTS // 2)
    with watched(place):
        until(lambda: life.round() != "running", 180)
        judged = place.store.read(lambda tx: tx.judging.judgement("r1"))
        evidence = read(place.store.read(lambda tx: list(tx.judging.evidence("r1"))))["r1"]
    assert judged.verdict == "unhealthy"
    assert "most of it from measure cpu" in judged.document["pause"]
    assert "0.9 on average and control hosts 0.1, where 0.02 more is tolerated" in judged.document["pause"]
    assert judged.document["e"]["guards"]["measure:boot.seconds"] < 1, "equal numbers are no harm"
    answer = replay(evidence)
    assert answer["pause_at"] is not None
    assert answer["e"]["halt"] >= 20
    pairs = [row for row in evidence if isinstance(row, MeasureRow) and row.measure == "cpu"]
    assert 10 <= len(pairs) <= len(life.runs)
    kinds = {row.kind for row in place.store.read(lambda tx: tx.people.audit("r1"))}
    assert kinds & {"judge.pause", "judge.trip"}
    assert load(evidence[0].policy).judge.measures[0].name == "cpu"
