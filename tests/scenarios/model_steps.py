"""What every step of the model shares: it is counted, and the auditor looks when it is done."""

from collections import Counter
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from rollout.operation import back, record
from tests.scenarios.model_acts import People
from tests.scenarios.model_audit import Auditor
from tests.scenarios.model_house import APPROVERS, HOSTS, OTHERS, policy
from tests.scenarios.model_world import TIME, Worker, model_world
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
depths = st.sampled_from([0, 0, 6, 12, 18])  # moments in which all goes well: a ring takes some six
readies = st.none() | st.tuples(st.integers(1, 12), st.booleans())
seldom = st.integers(0, 3).map(lambda drawn: drawn == 0)


def step(kind: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Count it, and let the auditor look when it is done."""

    def counted(work: Callable[..., None]) -> Callable[..., None]:
        @wraps(work)
        def done(self: "Steps", **drawn: Any) -> None:
            if self.busy:  # a part of a larger step
                work(self, **drawn)
                return
            self.busy = True
            DONE[kind] += 1
            try:
                work(self, **drawn)
                self.audit.look()
            except BaseException as error:
                FOUND.append((DONE.total(), f"{type(error).__name__} {error}"))
                raise
            finally:
                self.busy = False

        return done

    return counted


class Steps(RuleBasedStateMachine):
    """A world, its auditor, its people; and what several rules do."""

    busy = False
    lagging: frozenset[int] | set[int] = frozenset()  # let go, and not yet loading

    def _begin(self) -> None:
        self.context = model_world()
        self.here = self.context.__enter__()
        self.audit = Auditor(self.here)
        self.here.settle, self.here.standing = self.audit.look, self.audit.standing
        self.people = People(self.here, self.audit)
        self.started, self.read = OLD, []

    def teardown(self) -> None:
        if hasattr(self, "here"):
            SEEN.update(self.audit.seen)
            self.audit.records.close()
            self.context.__exit__(None, None, None)

    def _start(self, starter: str, then: str, *, asking: bool, lenient: bool) -> bool:
        if not self.here.start(self.started + 1, starter, policy(then, asking=asking, lenient=lenient)):
            return False
        self.started += 1
        return True

    def _try_all(self) -> None:
        """Hosts ask and the workflows try, whatever has just happened."""
        self._ask(self._candidates()[:12], old=False)
        self.here.forward(self.here.worker)
        self._finish()

    def _finish(self) -> None:
        """The workflows of the way back look who is back."""
        for name in self.audit.states:
            self.here.write(partial(back.finish, rollout=name))
            self.audit.look()

    def _aim(self, hosts: list[int], aimed: bool) -> list[int]:
        """These hosts; `aimed`: as many of those that were let go in the rollout in hand, where there are any."""
        return self._among(hosts, self._touched() if aimed else [])

    def _touched(self) -> list[int]:
        """Hosts that were let go in the rollout in hand, in their order."""
        gone = 'SELECT host FROM adoption WHERE rollout = ? ORDER BY "order"'
        return [host for (host,) in self.audit.records.all(gone, self.here.name)]

    def _unproven(self) -> list[int]:
        """Hosts that were let go in the rollout in hand and are neither confirmed nor failed."""
        unproven = "SELECT host FROM adoption WHERE rollout = ? AND state = 'open'"
        return [host for (host,) in self.audit.records.all(unproven, self.here.name)]

    def _among(self, drawn: list[int], some: list[int]) -> list[int]:
        """As many of these as were drawn; the drawn ones where there are none."""
        return [some[number % len(some)] for number in drawn] if some else drawn

    def _go_on(self, times: int, *, forward: bool = True) -> None:
        """Everybody does what they should: hosts of begun rings ask, load, beat; the workflow goes on (`forward`)."""
        here = self.here
        here.gateway = here.engine = True
        for _ in range(times):
            self._ask(self._candidates()[:12], old=False)
            here.load(set(range(1, HOSTS + 1)) - self.lagging)
            here.step(TIME, here.awake())
            if forward:
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
