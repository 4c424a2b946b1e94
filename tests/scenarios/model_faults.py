"""The model's time and faults: clocks, processes that die, stall and come back, transactions that are undone."""

from contextlib import suppress
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import rule

from rollout.adapters.trust.copies import FolderCopies
from rollout.errors import RolloutError
from rollout.operation import record
from rollout.operation.copier import _to_copy
from tests.scenarios.model_house import house
from tests.scenarios.model_people import PeopleSteps
from tests.scenarios.model_promises import DARK
from tests.scenarios.model_steps import one, people, readies, seldom, some, step
from tests.scenarios.model_world import TIME, undone


class FaultSteps(PeopleSteps):
    """What breaks."""

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

    @rule(times=st.integers(1, 4), hurry=st.booleans(), quiet=st.booleans(), host=one, ready=readies)
    @step("ticks missed")
    def ticks_missed(self, times: int, hurry: bool, quiet: bool, host: int, ready: tuple[int, bool] | None) -> None:
        """The worker does not get to run; hosts and gateway live, and everybody tries before it judges again.

        `quiet`: somebody was nearly dark by then.
        """
        self._get_ready(ready)
        if quiet:
            self._fall_silent(host)
        worker, self.here.worker = self.here.worker, None
        for _ in range(times):
            self.here.step(TIME, self.here.awake())
            self.audit.look()
        self.here.worker = worker
        if hurry:
            self._try_all()
            self.two_agree(kind="approve", first="cat", second="dan", late=False)
        self.here.step(TIME, self.here.awake())
        self._turn_soon()

    def _fall_silent(self, host: int) -> None:
        self.here.bodies[host].silent = True
        for _ in range(int(DARK / TIME) - 1):
            self.here.step(TIME, self.here.awake())

    def _turn_soon(self) -> None:
        """The watch turns again before everybody had to beat."""
        for _ in range(2):
            self.here.step(TIME / 4)

    @rule(seconds=st.sampled_from([6.0, 6.0, 15.0, 60.0, 4_000.0]), quiet=st.booleans(), host=one)
    @step("a gap")
    def everything_stands_still(self, seconds: float, quiet: bool, host: int) -> None:
        """`quiet`: somebody was nearly dark by then."""
        if quiet:
            self._fall_silent(host)
        self.here.step(seconds)
        self._turn_soon()

    @rule(seconds=st.sampled_from([-7_200.0, -5.0, 5.0, 7_200.0]))
    @step("wall clock jumps")
    def wall_clock_jumps(self, seconds: float) -> None:
        self.here.clock.wall += seconds

    @rule(lives=st.booleans(), times=st.integers(0, 5))
    @step("gateway")
    def gateway(self, lives: bool, times: int) -> None:
        """No gateway's beacon moves, or it moves again; hosts ask nevertheless."""
        self.here.gateway = lives
        self._wait_and_try(times)

    @rule(lives=seldom, times=st.sampled_from([0, 1, 4, 5]), ready=readies)
    @step("engine")
    def engine(self, lives: bool, times: int, ready: tuple[int, bool] | None) -> None:
        self._get_ready(ready)
        self.here.engine = lives
        self._wait_and_try(times)

    def _wait_and_try(self, times: int) -> None:
        for _ in range(times):
            self.here.step(TIME, self.here.awake())
        if times:
            self._try_all()

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
            here.write(partial(undone, work=lambda tx: record.beats(tx, rows, here.memory, TIME)))
        here.memory.forget()
