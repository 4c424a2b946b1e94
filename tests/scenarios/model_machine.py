"""The model: people, judge edges, hosts, faults and time in any order; after every step the auditor looks.

One rule is one step. Most are one small act; `the_fleet_goes_on` is everybody doing what they should for a while, so
that the depths of a rollout are reached at all.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial, wraps
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from rollout.adapters.trust.copies import FolderCopies
from rollout.errors import RolloutError
from rollout.operation import back, crashed, record, roster
from rollout.operation.publisher import _to_copy
from rollout.telemetry import CrashReport
from tests.scenarios.model_acts import People
from tests.scenarios.model_audit import Auditor
from tests.scenarios.model_promises import LEAVES
from tests.scenarios.model_world import APPROVERS, HOSTS, OTHERS, TIME, Worker, _undone, house, model_world, policy
from tests.scenarios.promise_world import OLD

DONE: Counter[str] = Counter()  # steps by kind, and what was seen, of this process
SEEN: Counter[str] = Counter()
FOUND: list[tuple[int, str]] = []  # after how many steps, and what

one = st.integers(1, HOSTS)
some = st.lists(one, min_size=1, max_size=10, unique=True)
people = st.sampled_from([*APPROVERS, *APPROVERS, *OTHERS])
rings = st.sampled_from(["canary", "early", "everyone"])
unhealthy = st.sampled_from(["rollback", "rollback", "halt"])
starters = st.sampled_from(["bob", "rita"])
seldom = st.integers(0, 3).map(lambda drawn: drawn == 0)


def step(kind: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Count it, and let the auditor look when it is done."""

    def counted(work: Callable[..., None]) -> Callable[..., None]:
        @wraps(work)
        def done(self: "Model", **drawn: Any) -> None:
            DONE[kind] += 1
            try:
                work(self, **drawn)
                self.audit.look()
            except BaseException as error:
                FOUND.append((DONE.total(), f"{type(error).__name__} {error}"))
                raise

        return done

    return counted


class Model(RuleBasedStateMachine):
    """Everybody who can do something, doing it at any moment."""

    @initialize(asking=st.booleans(), then=unhealthy, starter=starters)
    def begin(self, asking: bool, then: str, starter: str) -> None:
        self.context = model_world()
        self.here = self.context.__enter__()
        self.audit = Auditor(self.here)
        self.here.settle, self.here.standing = self.audit.look, self.audit.standing
        self.people = People(self.here, self.audit)
        self.started, self.read = OLD, []
        assert self._start(starter, then, asking)
        self._go_on(3)

    def teardown(self) -> None:
        if hasattr(self, "here"):
            SEEN.update(self.audit.seen)
            self.audit.records.close()
            self.context.__exit__(None, None, None)

    # Rollouts and people.

    @rule(starter=starters, then=unhealthy, asking=st.booleans())
    @step("start")
    def start(self, starter: str, then: str, asking: bool) -> None:
        if self.started < 12:
            self._start(starter, then, asking)

    @rule(kind=st.sampled_from(["pause", "pause", "pause", "halt", "reject", "rollback"]), person=people, sure=seldom)
    @step("stop")
    def stop(self, kind: str, person: str, sure: bool) -> None:
        """Stops that end a rollout are rarer, or nothing would ever be reached."""
        if kind == "pause" or sure:
            self.people.stop(kind, self.here.name, person)

    @rule(kind=st.sampled_from(["halt", "rollback", "reject"]), person=people, which=st.integers(0, 5))
    @step("stop an older one")
    def stop_an_older_one(self, kind: str, person: str, which: int) -> None:
        older = [name for name in self.audit.states if name != self.here.name]
        if older:
            self.people.stop(kind, older[which % len(older)], person)

    @rule(person=people, sure=seldom)
    @step("freeze")
    def freeze(self, person: str, sure: bool) -> None:
        if sure:
            self.people.freeze(person)

    @rule(person=people)
    @step("unfreeze")
    def unfreeze(self, person: str) -> None:
        self.people.unfreeze(person)

    @rule(first=people, second=people)
    @step("unfreeze")
    def two_unfreeze(self, first: str, second: str) -> None:
        self.people.unfreeze(first)
        self.people.unfreeze(second)

    @rule(kind=st.sampled_from(["approve", "resume"]), person=people, ring=rings, old=st.sampled_from([0, 0, 0, 1, 3]))
    @step("agree")
    def agree(self, kind: str, person: str, ring: str, old: int) -> None:
        self.people.agree(self.here.worker, kind, person, ring, old)

    @rule(kind=st.sampled_from(["approve", "resume"]), first=people, second=people, late=seldom)
    @step("agree")
    def two_agree(self, kind: str, first: str, second: str, late: bool) -> None:
        """One after the other, perhaps more than an hour later; of the ring that waits."""
        self.people.agree(self.here.worker, kind, first, self._waiting(), 0)
        if late:
            self.here.clock.wall += 4_000
        self.people.agree(self.here.worker, kind, second, self._waiting(), 0)

    # The executor.

    @rule(stale=seldom)
    @step("workflow")
    def workflow(self, stale: bool) -> None:
        self.here.forward(self._worker(stale))

    @rule(kind=st.sampled_from(["open", "promote", "complete"]), ring=rings, stale=seldom)
    @step("workflow out of turn")
    def workflow_out_of_turn(self, kind: str, ring: str, stale: bool) -> None:
        self.here.push(self._worker(stale), kind, ring)

    @rule(moved=st.booleans())
    @step("way back")
    def way_back(self, moved: bool) -> None:
        """Hosts that find a rollback directive follow it; then the rollback's workflow looks who is back."""
        if moved:
            self.here.beat(self._turn_back())
        for name in self.audit.states:
            self.here.write(partial(back.finish, rollout=name))
            self.audit.look()

    # Hosts.

    @rule(times=st.integers(1, 4))
    @step("the fleet goes on")
    def the_fleet_goes_on(self, times: int) -> None:
        self._go_on(times)

    @rule(times=st.integers(2, 6))
    @step("the fleet goes on")
    def the_fleet_goes_on_for_longer(self, times: int) -> None:
        self._go_on(times)

    @rule(times=st.integers(6, 12), shortcut=st.booleans())
    @step("all goes well")
    def all_goes_well(self, times: int, shortcut: bool) -> None:
        """What ails is put right, then everybody goes on and people agree to what is asked."""
        self.come_back(late=False)
        self.wake()
        self.two_unfreeze(first="cat", second="dan")
        if shortcut:  # one who started it, one vote twice: it must not do
            self.two_agree(kind="approve", first="cat", second="cat", late=False)
            self.two_agree(kind="approve", first="bob", second="cat", late=False)
        for _ in range(times):
            self._go_on(1)
            for kind in ("approve", "resume"):
                if self.audit.states[self.here.name] in LEAVES[kind]:
                    self.two_agree(kind=kind, first="cat", second="dan", late=False)

    @rule(hosts=some, old=seldom)
    @step("ask")
    def ask(self, hosts: list[int], old: bool) -> None:
        self._ask(hosts, old=old)

    @rule(old=seldom)
    @step("ask")
    def everybody_asks(self, old: bool) -> None:
        self._ask(list(range(1, HOSTS + 1)), old=old)

    @rule(hosts=some)
    @step("load")
    def load(self, hosts: list[int]) -> None:
        self.here.beat(self.here.load(hosts))

    @rule(hosts=some)
    @step("beat")
    def beat(self, hosts: list[int]) -> None:
        self.here.beat(hosts)

    @rule(host=one, again=st.booleans())
    @step("crash")
    def crash(self, host: int, again: bool) -> None:
        """Once, or the same report twice."""
        body = self.here.bodies[host]
        if body.silent:
            return
        report = CrashReport(body.name, f"x{next(self.here.names)}", "bugcheck", boot=str(body.boot))
        body.boot, body.booted = body.boot + 1, self.here.clock.boot
        for _ in range(1 + again):
            self.here.write(lambda tx: crashed.crashes(tx, [crashed.Row(report)], self.here.memory))
            self.audit.look()

    @rule(lethal=st.booleans())
    @step("crash")
    def whoever_runs_it_crashes(self, lethal: bool) -> None:
        """A bad release: those that run the candidate report and restart, or die without a word."""
        for key, body in self.here.bodies.items():
            if body.running == self.here.counter and not body.silent:
                body.silent = lethal
                if not lethal:
                    self.here.crash(key)
                    self.audit.look()

    @rule(host=one)
    @step("revert")
    def revert(self, host: int) -> None:
        body = self.here.bodies[host]
        if body.adoption is not None and body.running == self.here.release_of[body.adoption]:
            body.running, body.phase = max(OLD, body.running - 1), "reverted"
            self.here.beat([host])

    @rule(hosts=st.lists(one, min_size=1, max_size=3))
    @step("go dark")
    def go_dark(self, hosts: list[int]) -> None:
        for host in hosts:
            self.here.bodies[host].silent = True

    @rule(late=st.booleans())
    @step("return")
    def come_back(self, late: bool) -> None:
        """Everybody who was silent speaks again, in a new boot where they were away for long."""
        back_again = [key for key, body in self.here.bodies.items() if body.silent]
        for key in back_again:
            body = self.here.bodies[key]
            body.silent = False
            body.boot, body.booted = (body.boot + 1, self.here.clock.boot) if late else (body.boot, body.booted)
        self.here.beat(back_again)

    @rule(host=one)
    @step("sleep")
    def sleep(self, host: int) -> None:
        if not self.here.bodies[host].silent:
            self.here.sleep(host)

    @rule()
    @step("wake")
    def wake(self) -> None:
        for key, body in self.here.bodies.items():
            if body.sleeping:
                self.here.wake(key)

    @rule(hosts=some)
    @step("restart")
    def restart(self, hosts: list[int]) -> None:
        for host in hosts:
            body = self.here.bodies[host]
            body.boot, body.booted = body.boot + 1, self.here.clock.boot
        self.here.beat(hosts)

    @rule(hosts=some)
    @step("replay")
    def replay(self, hosts: list[int]) -> None:
        """A collector sends its last batch once more: 2xx, and nothing changes."""
        here = self.here
        here.beat(hosts)
        self.audit.look()
        before = self.audit.records.one("SELECT max(seq) FROM event")
        for host in hosts:
            here.bodies[host].seq -= not here.bodies[host].silent
        here.beat(hosts)
        assert self.audit.records.one("SELECT max(seq) FROM event") == before

    @rule(number=st.integers(1, HOSTS // 12), sure=seldom)
    @step("retire")
    def retire(self, number: int, sure: bool) -> None:
        if sure:
            body = self.here.bodies[12 * number]
            body.silent = True
            self.here.write(lambda tx: roster.retire(tx, body.name, "ann", "sold"))

    # Time and faults.

    @rule(times=st.integers(1, 4))
    @step("time")
    def time_passes(self, times: int) -> None:
        for _ in range(times):
            self.here.step(TIME, self.here.awake())

    @rule(times=st.integers(1, 6))
    @step("time in silence")
    def nobody_beats(self, times: int) -> None:
        for _ in range(times):
            self.here.step()

    @rule(times=st.integers(1, 4))
    @step("ticks missed")
    def ticks_missed(self, times: int) -> None:
        """The worker does not get to run; hosts and gateway live."""
        worker, self.here.worker = self.here.worker, None
        for _ in range(times):
            self.here.step(TIME, self.here.awake())
            self.audit.look()
        self.here.worker = worker

    @rule(seconds=st.sampled_from([6.0, 15.0, 60.0, 4_000.0]))
    @step("a gap")
    def everything_stands_still(self, seconds: float) -> None:
        marked = self.audit.seen["dark"]
        self.here.step(seconds)
        assert self.audit.seen["dark"] == marked, "P1 a gap marks nobody"

    @rule(seconds=st.sampled_from([-7_200.0, -5.0, 5.0, 7_200.0]))
    @step("wall clock jumps")
    def wall_clock_jumps(self, seconds: float) -> None:
        self.here.clock.wall += seconds

    @rule(lives=st.booleans())
    @step("gateway")
    def gateway(self, lives: bool) -> None:
        self.here.gateway = lives

    @rule(lives=st.booleans())
    @step("engine")
    def engine(self, lives: bool) -> None:
        self.here.engine = lives

    @rule()
    @step("gateway restarts")
    def gateway_restarts(self) -> None:
        self.here.fresh, self.here.memory = type(self.here.fresh)(), record.Memory()

    @rule()
    @step("worker")
    def worker_dies(self) -> None:
        self.here.start_worker()

    @rule(times=st.integers(1, 3))
    @step("worker")
    def worker_comes_back(self, times: int) -> None:
        """A worker that was stalled goes on as if nothing had happened: watch, publisher, copies."""
        for _ in range(times if self.here.stalled else 0):
            self.here.work(self.here.stalled[-1])

    @rule(stale=st.booleans())
    @step("publish")
    def publish(self, stale: bool) -> None:
        with suppress(RolloutError):
            self._worker(stale).publisher.round()
        self.audit.look()
        self.audit.metadata.served()

    @rule(name=st.sampled_from(["image", "director/canary", "director/early", "director/everyone"]))
    @step("a late copy")
    def a_late_copy(self, name: str) -> None:
        """A publisher that stalled between reading what is stored and copying it copies now, and reads the next."""
        for late, files in self.read:
            FolderCopies(self.here.folder).repository(late, files)
        self.audit.metadata.served()
        if self.audit.records.one("SELECT 1 FROM repository WHERE name = ?", name):
            _, files, _ = self.here.read(lambda tx: _to_copy(tx, house().signer, name))
            self.read = [(name, files)]

    @rule(writes=st.integers(1, 4))
    @step("transactions undone")
    def transactions_undone(self, writes: int) -> None:
        """The worker's next transactions fail at their end, whatever they are."""
        self.here.worker.store.doomed = writes
        self.here.step(TIME, self.here.awake())
        self.here.forward(self.here.worker)
        self.here.worker.store.doomed = 0

    @rule(kind=st.sampled_from(["approve", "resume"]), person=people)
    @step("transactions undone")
    def an_act_undone(self, kind: str, person: str) -> None:
        self.here.worker.store.doomed = 1
        self.people.agree(self.here.worker, kind, person, self._waiting(), 0)
        self.here.worker.store.doomed = 0

    @rule(hosts=some)
    @step("transactions undone")
    def beats_undone(self, hosts: list[int]) -> None:
        """The gateway's transaction fails: nothing was acknowledged, so hosts say it again."""
        here = self.here
        rows = [row for key in hosts if (row := here._beat(key, {})) is not None]
        with suppress(RolloutError):
            here.write(partial(_undone, work=lambda tx: record.beats(tx, rows, here.memory, TIME)))
        here.memory.forget()

    # What rules share.

    def _start(self, starter: str, then: str, asking: bool) -> bool:
        if not self.here.start(self.started + 1, starter, policy(then, asking=asking)):
            return False
        self.started += 1
        return True

    def _go_on(self, times: int) -> None:
        """Everybody does what they should: hosts of begun rings ask, load, beat; the workflow goes on."""
        here = self.here
        here.gateway = here.engine = True
        for _ in range(times):
            self._ask(self._candidates()[:12], old=False)
            here.load(range(1, HOSTS + 1))
            here.step(TIME, here.awake())
            here.forward(here.worker)

    def _candidates(self) -> list[int]:
        begun = (
            "SELECT m.host FROM member m JOIN ring r ON r.rollout = m.rollout AND r.name = m.ring"
            " WHERE m.rollout = ? AND r.directive_version IS NOT NULL"
        )
        hosts = [host for (host,) in self.audit.records.all(begun, self.here.name)]
        return [host for host in hosts if self.here.bodies[host].running < self.here.counter]

    def _ask(self, hosts: list[int], *, old: bool) -> None:
        """Who is dead asks nothing; `old`: with metadata from before the rollout."""
        alive = [host for host in hosts if not self.here.bodies[host].silent]
        versions = self.audit.records.all(
            "SELECT json_extract(versions, '$.targets') FROM repository WHERE name != 'image'"
        )
        version = 0 if old else max((number for (number,) in versions), default=0)
        if alive:
            self.audit.asked(alive, version)
            self.audit.look()

    def _turn_back(self) -> list[int]:
        """Hosts for which some Director lists a way back from what they run."""
        listed = "SELECT directives FROM repository WHERE name != 'image'"
        ways = set()
        for (text,) in self.audit.records.all(listed):
            ways |= {
                (each.get("withdraws"), each["release_counter"])
                for each in record.msgspec.json.decode(text).values()
                if each["action"] == "rollback"
            }
        turned = []
        for key, body in self.here.bodies.items():
            to = max((to for gone, to in ways if to < body.running and gone in {None, body.running}), default=None)
            if to is not None and not body.silent and not body.sleeping:
                body.running, body.phase, body.adoption = to, "idle", None
                turned.append(key)
        return turned

    def _waiting(self) -> str:
        mine = [(name, state) for (rollout, name), state in self.audit.rings.items() if rollout == self.here.name]
        return next((name for name, state in mine if state == "awaiting-approval"), "canary")

    def _worker(self, stale: bool) -> Worker:
        return self.here.stalled[-1] if stale and self.here.stalled else self.here.worker
