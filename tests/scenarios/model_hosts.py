"""The model's hosts: they ask, load, prove themselves, crash, revert, fall silent, sleep, come back."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from rollout.operation import crashed, roster
from rollout.telemetry import CrashReport
from tests.scenarios.model_house import HOSTS
from tests.scenarios.model_people import PeopleSteps
from tests.scenarios.model_promises import DEADLINE, FORWARD, PATIENCE
from tests.scenarios.model_steps import one, readies, seldom, some, step
from tests.scenarios.model_world import TIME
from tests.scenarios.promise_world import OLD


class HostSteps(PeopleSteps):
    """What hosts do, alone and all together."""

    @rule()
    @step("the fleet goes on")
    def a_moment(self) -> None:
        """The simplest step, which hypothesis takes more often than others: so it leads somewhere."""
        self._go_on(1)

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
        self._go_well(times, late=shortcut)

    @rule(
        hosts=st.lists(one, min_size=1, max_size=3, unique=True),
        how=st.sampled_from(["crash", "lag", "go dark", "revert"]),
        after=st.integers(0, 4),
        times=st.integers(4, 10),
        anew=st.booleans(),
        lenient=st.booleans(),
    )
    @step("nearly well")
    def all_goes_nearly_well(
        self, hosts: list[int], how: str, after: int, times: int, anew: bool, lenient: bool
    ) -> None:
        """As above, but for a few that were let go: they crash, revert, never load, or fall silent later."""
        self.come_back(late=False)
        self.two_unfreeze(first="cat", second="dan")
        if anew or self.audit.states[self.here.name] not in FORWARD:
            self._begin_anew("rita", asking=False, lenient=lenient)
            self._go_on(2)
        self._go_on(1)
        self.lagging = set(self._among(hosts, self._candidates())) if how == "lag" else set()
        hosts = self._aim(hosts, aimed=True)
        self._go_on(after)
        for host in hosts:
            if how == "crash":
                self.crash(host=host, aimed=False, again=False, hurry=False)
            if how == "revert":
                self._revert(self._among([host], self._unproven())[0])
            self.here.bodies[host].silent |= how == "go dark"
        self._go_well(times + 4 * (how == "lag"))  # until it is overdue
        self.lagging = set()

    @rule(share=st.integers(1, 3), after=st.integers(0, 8), times=st.integers(3, 5), ready=readies)
    @step("nearly well")
    def many_doze(self, share: int, after: int, times: int, ready: tuple[int, bool] | None) -> None:
        """Every host, or every second or third, of those that were let go says nothing for nearly too long."""
        self.come_back(late=False)
        self._get_ready(ready)
        self._go_well(after if ready is None else 0)
        dozing = self._touched()[::share]
        for host in dozing:
            self.here.bodies[host].silent = True
        self._go_on(0 if ready is None else times - 1, forward=False)
        self._try_all()
        self._go_well(times)
        for host in dozing:
            self.here.bodies[host].silent = False
        self.here.beat(dozing)

    @rule(hosts=st.lists(one, min_size=1, max_size=2, unique=True), sure=seldom)
    @step("lost")
    def some_are_lost(self, hosts: list[int], sure: bool) -> None:
        """A few that were let go, and proved nothing, are silent until every deadline has passed; it takes long."""
        if not sure:
            return
        self.come_back(late=False)
        if not self._unproven():
            self._begin_anew("rita", asking=False, lenient=True)
            self._go_on(4)
        for host in self._among(hosts, self._unproven() or self._touched()):
            self.here.bodies[host].silent = True
        for _ in range(int((DEADLINE + PATIENCE) / TIME) + 2):
            self.here.step(TIME, self.here.awake())

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

    @rule(host=one, again=st.booleans(), ready=readies)
    @step("crash")
    def crash_when_something_is_due(self, host: int, again: bool, ready: tuple[int, bool] | None) -> None:
        self._get_ready(ready)
        self.crash(host=host, aimed=True, again=again, hurry=True)

    @rule(host=one, aimed=st.booleans(), again=st.booleans(), hurry=st.booleans())
    @step("crash")
    def crash(self, host: int, aimed: bool, again: bool, hurry: bool) -> None:
        """Once, or the same report twice; perhaps others ask, and the workflow goes on, before it is judged."""
        (host,) = self._aim([host], aimed)
        body = self.here.bodies[host]
        if body.silent:
            return
        report = CrashReport(body.name, f"x{next(self.here.names)}", "bugcheck", boot=str(body.boot))
        body.boot, body.booted = body.boot + 1, self.here.clock.boot
        for _ in range(1 + again):
            self.here.write(lambda tx: crashed.crashes(tx, [crashed.Row(report)], self.here.memory))
            self.audit.look()
        if hurry:
            self._try_all()

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
        (host,) = self._aim([host], aimed=True)
        self._revert(host)

    def _revert(self, host: int) -> None:
        body = self.here.bodies[host]
        if body.adoption is not None and body.running == self.here.release_of[body.adoption]:
            body.running, body.phase = max(OLD, body.running - 1), "reverted"
            self.here.beat([host])

    @rule(hosts=st.lists(one, min_size=1, max_size=4), aimed=st.booleans())
    @step("go dark")
    def go_dark(self, hosts: list[int], aimed: bool) -> None:
        for host in self._aim(hosts, aimed):
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

    @rule(host=one, aimed=st.booleans())
    @step("sleep")
    def sleep(self, host: int, aimed: bool) -> None:
        (host,) = self._aim([host], aimed)
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
