"""The model's people and workflows: who starts, stops, agrees, and what moves a rollout on."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.scenarios.model_house import RELEASES
from tests.scenarios.model_promises import FORWARD, LEAVES
from tests.scenarios.model_steps import Steps, depths, people, readies, rings, seldom, starters, step, unhealthy
from tests.scenarios.model_world import PUBLISH_EVERY, TIME


class PeopleSteps(Steps):
    """Rollouts, people, and the executor."""

    @initialize(starter=starters, then=unhealthy, asking=st.booleans(), lenient=st.booleans(), depth=depths)
    @step("begin")
    def begin(self, starter: str, then: str, asking: bool, lenient: bool, depth: int) -> None:
        self._begin()
        assert self._start(starter, then, asking=asking, lenient=lenient)
        self._go_well(3 + depth)

    @rule(starter=starters, then=unhealthy, asking=st.booleans(), lenient=st.booleans(), depth=depths)
    @step("start")
    def start(self, starter: str, then: str, asking: bool, lenient: bool, depth: int) -> None:
        if self.started < RELEASES[-1] and self._start(starter, then, asking=asking, lenient=lenient):
            self.come_back(late=False)
            self._go_well(depth)

    @rule(
        kind=st.sampled_from(["pause", "pause", "pause", "halt", "reject", "rollback"]),
        person=people,
        sure=st.booleans(),
        regret=st.booleans(),
    )
    @step("stop")
    def stop(self, kind: str, person: str, sure: bool, regret: bool) -> None:
        """Stops that end a rollout are rarer, or nothing would ever be reached; `regret`: two want to go on at once."""
        if kind == "pause" or sure:
            self.people.stop(kind, self.here.name, person)
            self._try_all()
            for act in ("resume", "approve") if regret else ():
                self.two_agree(kind=act, first="cat", second="dan", late=False)

    @rule(kind=st.sampled_from(["halt", "rollback", "reject"]), person=people, which=st.integers(0, 5))
    @step("stop an older one")
    def stop_an_older_one(self, kind: str, person: str, which: int) -> None:
        older = [name for name in self.audit.states if name != self.here.name]
        if older:
            self.people.stop(kind, older[which % len(older)], person)

    @rule(person=people, sure=st.booleans(), ready=readies, times=st.sampled_from([0, 1, 6]))
    @step("freeze")
    def freeze(self, person: str, sure: bool, ready: tuple[int, bool] | None, times: int) -> None:
        if sure:
            self._get_ready(ready)
            self.people.freeze(person)
            self._try_all()
            self._go_on(times)

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

    @rule(
        moments=st.integers(1, 8),
        starter=starters,
        voters=st.tuples(people, people),
        late=seldom,
        old=st.sampled_from([0, 0, 0, 1]),
    )
    @step("agree")
    def two_agree_when_asked(self, moments: int, starter: str, voters: tuple[str, str], late: bool, old: int) -> None:
        self._get_ready((moments, True), starter)
        for person in voters:
            self.people.agree(self.here.worker, "approve", person, self._waiting(), old)
            if late:
                self.here.clock.wall += 4_000

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
        self._finish()

    @rule()
    @step("way back")
    def everybody_goes_back(self) -> None:
        """Whoever can speak does, what is due is published, and all follow it."""
        self.come_back(late=False)
        self.wake()
        for _ in range(PUBLISH_EVERY):
            self.here.step(TIME, self.here.awake())
        self.here.beat(self._turn_back())
        self._finish()

    def _go_well(self, times: int, late: bool = False) -> None:
        """The fleet goes on, and two agree to whatever is asked of them."""
        for _ in range(times):
            self._go_on(1)
            for kind in ("approve", "resume"):
                if self.audit.states[self.here.name] in LEAVES[kind]:
                    if late:
                        self.two_agree(kind=kind, first="cat", second="dan", late=True)
                    self.two_agree(kind=kind, first="cat", second="dan", late=False)

    def _get_ready(self, ready: tuple[int, bool] | None, starter: str = "rita") -> None:
        """Lead a new rollout to where something is due: (moments in which all goes well, whether it asks people).

        The workflow does not get to run at last, and nobody agrees: what is due waits.
        """
        if ready is None or self.started == RELEASES[-1]:
            return
        times, asking = ready
        self._begin_anew(starter, asking=asking, lenient=True)
        self._go_well(times)
        self._go_on(11 if asking else 5)
        self._go_on(0 if asking else 4, forward=False)

    def _begin_anew(self, starter: str, *, asking: bool, lenient: bool) -> None:
        """End what goes, put right what ails, and start the next."""
        self.two_unfreeze(first="cat", second="dan")
        if self.audit.states[self.here.name] in FORWARD:
            self.people.stop("rollback" if asking else "halt", self.here.name, "cat")
            self._try_all()
        if "rolling-back" in self.audit.states.values():
            self.everybody_goes_back()
        self.come_back(late=False)
        self.wake()
        self._start(starter, "halt", asking=asking, lenient=lenient)
