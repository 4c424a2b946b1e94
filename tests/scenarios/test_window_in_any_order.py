"""P2 in any order of events: no grant beyond the window, none after a stop, and tallies that equal a recount."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rollout.operation import roster, stop
from rollout.operation.act import Act, consent
from rollout.operation.admit import Granted
from rollout.ports.person import TokenRecord
from rollout.ports.store import Transaction
from tests.scenarios.promise_world import NEW, OLD, STRATA, R, World, world

HOSTS, IN_RING = 120, 40  # a few silent hosts must not blind the judge: then nothing is ever granted
one = st.integers(1, HOSTS)
some = st.lists(st.integers(1, IN_RING), min_size=1, max_size=12, unique=True)
GOING = {"running", "awaiting-approval"}


class AnyOrder(RuleBasedStateMachine):
    """Hosts, workers and people do what they can; after each step the store's own rows are counted again."""

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory()
        self.context = world(Path(self.folder.name), hosts=HOSTS, in_ring=IN_RING)
        self.here: World = self.context.__enter__()
        self.here.write(allow_ann_and_bob)
        self.here.pass_time(3)
        self.ask(list(range(1, IN_RING + 1)))  # a crowd: whatever follows, the window has been met

    def teardown(self) -> None:
        if hasattr(self, "context"):
            self.context.__exit__(None, None, None)
            self.folder.cleanup()

    @rule(hosts=some)
    def ask_once_more(self, hosts: list[int]) -> None:
        """Twice as likely as anything else."""
        self.ask(hosts)

    @rule(hosts=some)
    def ask(self, hosts: list[int]) -> None:
        """P2 at every grant: what was outstanding before it was below the window in force, in the stratum too."""
        here = self.here
        here.pass_time(1)
        record, judgement = here.rollout, here.judgement
        slots = held(here)
        mine = {key: here.adoption(key) for key in hosts}
        for key, answer in zip(hosts, here.ask(hosts), strict=True):
            if not isinstance(answer, Granted):
                continue
            assert record.state in GOING
            assert here.read(lambda tx: tx.rollouts.frozen()) is None
            assert judgement.verdict != "blind"
            if mine[key] is not None:
                assert mine[key].state == "open"
                continue
            stratum = STRATA[key % 2]
            assert sum(slots.values()) < judgement.window
            assert slots[stratum] < judgement.windows.get(stratum, 5)
            slots[stratum] += 1

    @rule(hosts=some)
    def apply(self, hosts: list[int]) -> None:
        for key in hosts:
            if self.here.bodies[key].adoption and not self.here.bodies[key].silent:
                self.here.apply(key)

    @rule(host=one)
    def crash(self, host: int) -> None:
        if not self.here.bodies[host].silent:
            self.here.crash(host)

    @rule(host=one)
    def fall_silent(self, host: int) -> None:
        self.here.bodies[host].silent = True

    @rule(host=one)
    def speak_again(self, host: int) -> None:
        self.here.bodies[host].silent = False
        self.here.beat([host])

    @rule(host=one)
    def close_the_lid(self, host: int) -> None:
        self.here.sleep(host)

    @rule(host=one)
    def revert(self, host: int) -> None:
        body = self.here.bodies[host]
        if body.adoption is not None and body.running == NEW:
            body.running, body.phase = OLD, "reverted"
            self.here.beat([host])

    @rule(host=st.integers(1, IN_RING))
    def retire(self, host: int) -> None:
        if host % 8 == 0:
            self.here.bodies[host].silent = True
            self.here.write(lambda tx: roster.retire(tx, f"h-{host}", "ann", "sold"))

    @rule(seconds=st.sampled_from([0.5, 1, 4, 9, 15]))
    def time_passes(self, seconds: float) -> None:
        self.here.pass_time(seconds)

    @rule(seconds=st.sampled_from([6, 60, 4_000]))
    def everything_stands_still(self, seconds: int) -> None:
        """A suspended machine: clocks went on, nobody spoke."""
        dark = len(self.here.events("dark"))
        self.here.clock.move(seconds)
        self.here.step()
        assert len(self.here.events("dark")) == dark, "a gap marks nobody"
        self.here.pass_time(1)

    @rule(seconds=st.sampled_from([-7_200, 7_200]))
    def wall_clock_jumps(self, seconds: int) -> None:
        dark = len(self.here.events("dark"))
        self.here.clock.wall += seconds
        self.here.step()
        assert len(self.here.events("dark")) <= dark + HOSTS

    @rule()
    def worker_dies(self) -> None:
        """Another takes over; its window is no larger than the last one in force, its evidence the same."""
        before = self.here.judgement
        old = self.here.watch.owned.get(R) if self.here.watch else None
        self.here.start_worker()
        self.here.pass_time(7)
        if old is not None and self.here.watch.owned.get(R) is not None:
            assert len(self.here.watched.fold.courses) >= len(old.fold.courses)
        confirmed = {e.seq for e in self.here.events("confirmed", "acted") if e.seq > before.event}
        assert confirmed or self.here.judgement.window <= before.window

    @rule()
    def worker_stalls_and_comes_back(self) -> None:
        stalled = self.here.watch
        self.here.start_worker()
        self.here.pass_time(7)
        rows = self.here.read(lambda tx: tx.judging.last_evidence(R))
        if R in self.here.watch.owned:
            stalled.round()
            assert R not in stalled.owned
            assert self.here.read(lambda tx: tx.judging.last_evidence(R)) == rows

    @rule()
    def pause(self) -> None:
        if self.here.rollout.state in {"running", "awaiting-approval", "held"}:
            self.here.write(lambda tx: stop.pause(tx, R, "ann", None))

    @rule()
    def resume(self) -> None:
        act = Act("resume", R, "", self.here.rollout.revision, "bob", "looked")
        self.here.write(lambda tx: consent(tx, act))

    @precondition(lambda self: self.here.rollout.state in GOING)
    @rule(sure=st.integers(0, 5))
    def halt(self, sure: int) -> None:
        if sure == 0:
            self.here.write(lambda tx: stop.halt(tx, R, "ann", None))

    @invariant()
    def tallies_equal_a_recount(self) -> None:
        if not hasattr(self, "here"):
            return
        adoptions = self.here.read(lambda tx: tx.adoptions.of_rollout(R))
        counted: dict[str, Counter[str]] = {}
        for each in adoptions:
            found = counted.setdefault(each.stratum, Counter())
            found.update(granted=1, outstanding=int(each.holding), overdue=int(each.overdue))
            found[each.state] += 1
        for (_, stratum), tally in self.here.read(lambda tx: tx.adoptions.tallies(R)).items():
            want = counted.get(stratum, Counter())
            fields = ("granted", "confirmed", "failed", "overdue", "outstanding")
            assert {name: getattr(tally, name) for name in fields} == {name: want[name] for name in fields}
        assert [each.order for each in adoptions] == list(range(len(adoptions)))

    @invariant()
    def a_stopped_rollout_stays_stopped(self) -> None:
        if not hasattr(self, "here"):
            return
        moves = [row.kind for row in self.here.read(lambda tx: tx.people.audit(R))]
        ended = [at for at, kind in enumerate(moves) if kind in {"judge.trip", "judge.halt", "act.halt"}]
        if ended:
            assert self.here.rollout.state in {"halted", "rolling-back", "rolled-back"}
            last = self.here.read(lambda tx: [e.seq for e in tx.events.after(0) if e.kind.value == "granted"])
            self.grants_at_stop = getattr(self, "grants_at_stop", len(last))
            assert len(last) == self.grants_at_stop


def held(here: World) -> Counter[str]:
    """Slots held by stratum, from the adoptions' own rows."""
    return Counter(each.stratum for each in here.read(lambda tx: tx.adoptions.of_rollout(R)) if each.holding)


def allow_ann_and_bob(tx: Transaction) -> None:
    for name in ("ann", "bob"):
        tx.people.add_token(TokenRecord(name, name, "approver", name.encode(), None, tx.at, "p", tx.at + 10**9))


AnyOrder.TestCase.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)
TestAnyOrder = pytest.mark.slow(AnyOrder.TestCase)
