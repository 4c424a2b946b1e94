"""The steps that workflows take, one missing thing at a time: nothing goes forward, and the way back ends."""

import asyncio
from dataclasses import replace

import pytest

from policies.profiles import profile
from rollout.adapters.store.migrate import migrate, open_store
from rollout.event import EventKind
from rollout.operation import advance, back
from rollout.operation.advance import Eyes, Next
from rollout.ports.adoption import Adoption
from rollout.ports.host import HostRecord, Presence
from rollout.ports.judging import StoredJudgement
from rollout.ports.person import TokenRecord
from rollout.ports.rollout import Member, RingRecord, RolloutRecord
from rollout.telemetry import ASLEEP
from workflows.activities import Forward
from workflows.messages import Act

R, OLD, NEW = "r1", 7, 8
POLICY = profile("demo")
RINGS = [ring.name for ring in POLICY.rings]
HEALTHY = StoredJudgement(R, 1, 0.0, 0, 0, 0, "healthy", 5, {}, True, {"ring": RINGS[0], "sentence": "all gates hold"})


class HandClock:
    def __init__(self):
        self.at = 1_800_000_000.0

    def now(self):
        return self.at

    def elapsed(self):
        return self.at - 1_700_000_000.0


class Bench:
    """One rollout in the first ring, ready to be promoted, as one process sees it."""

    def __init__(self, store, clock):
        self.store, self.clock, self.eyes = store, clock, Eyes(clock.elapsed)
        self.judged = HEALTHY
        self.write(lambda tx: tx.rollouts.create(_record(tx), _rings(tx)))
        self.ring(RINGS[0], "baking")
        self.see()

    def write(self, work):
        return self.store.write(work).result(10)

    def ring(self, name, state):
        self.write(lambda tx: tx.rollouts.move_ring(R, name, state, ("waiting", "admitting", "baking", "halted")))

    def judge(self, **change):
        self.judged = replace(self.judged, counter=self.judged.counter + 1, **change)
        self.write(lambda tx: tx.judging.save(self.judged))

    def see(self, **change):
        """Two judgements, each looked at: it is seen to move."""
        for _ in range(2):
            self.judge(**change)
            self.next()

    def next(self, eyes=None):
        return self.store.read(lambda tx: advance.next_move(tx, R, eyes or self.eyes)).next

    def host(self, key, *, running=NEW, baseline=OLD, at=0.0, absent=0, boot="b", **adoption):
        """A touched host, last heard `at` seconds after now."""
        granted = Adoption(
            f"a{key}", R, key, "edr", NEW, RINGS[0], "desktop", 0, "open", None, False, True, self.clock.at, "b", 1,
            **adoption,
        )  # fmt: skip

        def work(tx):
            tx.hosts.enrol(HostRecord(0, f"h-{key}", "ed25519", b"k" * 32, {}, "desktop", tx.at))
            tx.hosts.save_presence([Presence(key, 1, boot, 1.0, "idle", absent, "{}", None, self.clock.at + at)])
            tx.hosts.set_running({key: {"edr": running}})
            tx.rollouts.enlist(R, [Member(key, RINGS[0], "desktop", baseline, True, True)])
            tx.adoptions.grant(granted)

        self.write(work)

    def stop(self):
        """Roll back, and let the clock go on by a second."""
        self.ring(RINGS[0], "halted")
        self.write(lambda tx: tx.rollouts.move(R, "rolling-back", ("running",), stop_reason="x"))

    def way(self):
        return self.store.read(lambda tx: back.survey(tx, R))


def _record(tx):
    return RolloutRecord(
        R, 1, "edr", NEW, POLICY, "d", "running", tx.at, False, "ann", "try", tx.at, 1, "s", ("desktop",),
        tx.events.last(), tx.events.last_heard(), 0, None, None, False,
    )  # fmt: skip


def _rings(tx):
    return [RingRecord(R, number, name, "waiting", tx.at, 60, 0, 1) for number, name in enumerate(RINGS)]


@pytest.fixture
def bench(tmp_path):
    clock = HandClock()
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrate(url)
    store = open_store(url, clock)
    yield Bench(store, clock)
    store.close()


def test_a_ring_whose_gates_hold_is_promoted_and_the_next_one_opens(bench):
    assert bench.next() is Next.PROMOTE
    assert bench.write(lambda tx: advance.promote(tx, R, RINGS[0], bench.eyes))
    assert bench.next() is Next.OPEN
    assert bench.write(lambda tx: advance.open_ring(tx, R, RINGS[1], bench.eyes))
    assert not bench.write(lambda tx: advance.promote(tx, R, RINGS[1], bench.eyes)), "it was never judged"


MISSING = {
    "a dead watch": lambda b: setattr(b.clock, "at", b.clock.at + 5.1),
    "a crash that is not judged yet": lambda b: b.write(lambda tx: tx.events.append(EventKind.CRASHED, 9)),
    "a blind judge": lambda b: b.judge(verdict="blind"),
    "an inconclusive judge": lambda b: b.judge(verdict="inconclusive"),
    "a verdict nobody knows": lambda b: b.judge(verdict="splendid"),
    "shut gates": lambda b: b.judge(promotable=False),
    "a judgement of another ring": lambda b: b.judge(document={"ring": RINGS[1], "sentence": ""}),
    "a judgement of no ring": lambda b: b.judge(document={"sentence": ""}),
    "a freeze": lambda b: b.write(lambda tx: tx.rollouts.freeze("ann", "x")),
    "a paused rollout": lambda b: b.write(lambda tx: tx.rollouts.move(R, "paused", ("running",))),
    "a halted ring": lambda b: b.ring(RINGS[0], "halted"),
    "a ring that has asked": lambda b: b.ring(RINGS[0], "awaiting-approval"),
}


@pytest.mark.parametrize("missing", MISSING)
def test_nothing_is_promoted_with(missing, bench):
    MISSING[missing](bench)
    assert bench.next() is Next.WAIT
    assert not bench.write(lambda tx: advance.promote(tx, R, RINGS[0], bench.eyes))
    assert bench.store.read(lambda tx: tx.rollouts.rings(R))[0].state != "promoted"


def test_a_process_that_never_saw_the_judgement_move_promotes_nothing(bench):
    stranger = Eyes(bench.clock.elapsed)
    assert bench.next(stranger) is Next.WAIT
    bench.judge()
    assert bench.next(stranger) is Next.PROMOTE


def test_an_approval_that_took_a_night_meets_a_judgement_that_was_seen_to_move_all_the_time(bench):
    bench.ring(RINGS[0], "awaiting-approval")
    bench.write(lambda tx: tx.rollouts.move(R, "awaiting-approval", ("running",)))
    for _ in range(60):
        bench.clock.at += 1
        bench.judge()
        assert bench.next() is Next.WAIT
    record = bench.store.read(lambda tx: tx.rollouts.get(R))
    assert bench.store.read(lambda tx: bench.eyes.blindness(tx, record)) is None


def test_an_approval_at_a_worker_that_did_not_wait_for_it_is_looked_at_until_the_judgement_moves(bench):
    token = TokenRecord("t", "bob", "approver", b"h" * 32, None, 0.0, "ann", 4e9)
    bench.write(lambda tx: tx.people.add_token(token))
    bench.ring(RINGS[0], "awaiting-approval")
    bench.write(lambda tx: tx.rollouts.move(R, "awaiting-approval", ("running",)))
    stranger = Forward(bench.store, None, Eyes(bench.clock.elapsed))  # an approval publishes nothing

    revision = bench.store.read(lambda tx: tx.rollouts.get(R)).revision

    async def ask():
        asked = asyncio.ensure_future(stranger.act(Act("approve", R, RINGS[0], revision, "bob", "looked")))
        while not (stranger.eyes.freshness._seen or asked.done()):  # noqa: ASYNC110 - nothing tells of a look
            await asyncio.sleep(0.01)
        bench.judge()
        return await asked

    assert asyncio.run(ask()).status == 200


@pytest.mark.parametrize("missing", ["a dead watch", "a crash that is not judged yet", "a blind judge", "a freeze"])
def test_no_ring_opens_and_nothing_completes_with(missing, bench):
    bench.ring(RINGS[0], "promoted")
    assert bench.next() is Next.OPEN
    for ring in RINGS[1:]:
        bench.ring(ring, "promoted")
    assert bench.next() is Next.COMPLETE
    MISSING[missing](bench)
    assert bench.next() is Next.WAIT
    assert not bench.write(lambda tx: advance.complete(tx, R, bench.eyes))


def test_a_rollout_without_rings_is_not_complete(bench):
    bench.write(lambda tx: tx.rollouts.create(replace(_record(tx), id="r2", number=2), _rings_of("r2", tx)[:1]))
    bench.write(lambda tx: tx.connection.exec_driver_sql("DELETE FROM ring WHERE rollout = 'r1'"))
    assert bench.next() is Next.WAIT


def _rings_of(rollout, tx):
    return [replace(ring, rollout=rollout) for ring in _rings(tx)]


def test_an_adoption_without_outcome_keeps_the_next_ring_shut(bench):
    bench.ring(RINGS[0], "promoted")
    bench.host(1)
    assert bench.next() is Next.WAIT
    bench.write(lambda tx: tx.adoptions.fail(tx.adoptions.get("a1"), "crash"))
    assert bench.next() is Next.OPEN


def test_every_touched_host_is_back_dark_absent_or_without_baseline_before_a_rollback_ends(bench):
    bench.host(1, running=OLD, at=1, applied_boot="b")  # back
    bench.host(2, applied_boot="b", at=1)  # runs the candidate still
    bench.host(3, at=1, absent=ASLEEP)
    bench.host(4, at=1, baseline=None)
    bench.stop()
    way = bench.way()
    assert (way.back, way.on_their_way, way.asleep, way.without_baseline) == (1, 1, 1, 1)
    assert not bench.write(lambda tx: back.finish(tx, R))
    bench.write(lambda tx: tx.hosts.set_running({2: {"edr": OLD}}))
    assert bench.write(lambda tx: back.finish(tx, R))
    assert bench.store.read(lambda tx: tx.rollouts.get(R)).state == "rolled-back"
    assert bench.write(lambda tx: back.finish(tx, R)), "done is done"


def test_a_host_is_not_back_by_what_it_said_before_the_stop(bench):
    bench.host(1, running=OLD, at=-1, applied_boot="b")
    bench.stop()
    assert bench.way().on_their_way == 1


def test_a_host_whose_go_may_still_be_begun_is_not_back(bench):
    valid = POLICY.confirm.deadline.total_seconds()
    bench.host(1, running=OLD, at=valid - 1)
    bench.host(2, running=OLD, at=valid + 1)
    bench.stop()
    way = bench.way()
    assert (way.back, way.on_their_way) == (1, 1)


def test_a_crashed_host_that_never_applied_is_back_when_a_later_boot_says_so(bench):
    bench.host(1, running=OLD, at=1, boot="later")
    bench.host(2, running=OLD, at=1)  # a beat of the boot that asked may have been under way before it died
    for key in (1, 2):
        bench.write(lambda tx, key=key: tx.adoptions.fail(tx.adoptions.get(f"a{key}"), "crash"))
    bench.stop()
    way = bench.way()
    assert (way.back, way.on_their_way) == (1, 1)


def test_nobody_waits_for_a_retired_host(bench):
    bench.host(1, at=1, applied_boot="b")
    bench.write(lambda tx: tx.hosts.retire(1))
    bench.stop()
    assert bench.way().done


def test_a_way_back_of_a_rollout_that_is_not_rolling_back_has_nothing_to_do(bench):
    assert bench.write(lambda tx: back.finish(tx, "nobody"))
    assert bench.write(lambda tx: back.finish(tx, R))
    assert bench.store.read(lambda tx: tx.rollouts.get(R)).state == "running"
