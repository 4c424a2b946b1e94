"""The course of one rollout under faults: where each is injected, what is waited for, what is checked after it."""

import contextlib
import time
from collections.abc import Callable, Sequence

from rollout.adapters.store.transaction import Transaction
from rollout.errors import RolloutError
from rollout.service.cli.client import Client
from rollout.service.cli.server import Server
from tests.chaos import checks, grants
from tests.chaos.fleet import Fleet
from tests.chaos.judged import by_command_line
from tests.chaos.outcome import Injected, Outcome, Wish
from tests.chaos.places import place
from tests.chaos.stage import GivenUpError, NothingToStrikeError, Stage
from tests.chaos.violation import Violation
from tests.chaos.witness import Witness

ENDS = frozenset({"completed", "rolled-back"})
WAY_BACK = ("halted", "rolling-back")
SECONDS_TO_HEAL = 300.0  # no promise: patience with a machine that runs much else
SECONDS_TO_END = 600.0
SECONDS_TO_MEET = 45.0
SECONDS_HOME = 30.0
SECONDS_AFTER = 2.0  # for which nothing may change any more


class Play:
    """One rollout. `say` tells a line as it happens; `outcome` is filled in."""

    def __init__(
        self, stage: Stage, fleet: Fleet, witness: Witness, rollout: str, outcome: Outcome, say: Callable[[str], None]
    ) -> None:
        self._stage, self._fleet, self._witness = stage, fleet, witness
        self._rollout, self._outcome, self._say = rollout, outcome, say
        self._records = stage.records()
        self._told: set[Violation] = set()

    def run(self, wishes: Sequence[Wish], *, first: bool = False) -> None:
        """Inject each wish where it wants to be, as long as the rollout gets there; then wait for its end.

        `first`: leave at the first violation.
        """
        for wish in wishes:
            self._act_for(wish.where)
            if self._meets(wish.where):
                self._inject(wish)
            if first and self._outcome.violations:
                return
        for where in WAY_BACK:
            self._act_for(where)
        self.end()

    def end(self) -> None:
        """Wait for the end state, and check everything once more."""
        self._stage.wait(lambda: self._witness.last.state in ENDS, SECONDS_TO_END, f"an end of {self._outcome.kind}")
        self._settle()
        self._outcome.ending += self._new(self._check(ended=True))

    def _act_for(self, where: str) -> None:
        """Let a person halt, or roll back, where the plan is to meet that, and nobody else would do it."""
        if self._outcome.kind == "halted" and where in WAY_BACK and where not in self._witness.states:
            self._ask("halt" if where == "halted" else "rollback")

    def _ask(self, act: str) -> None:
        client = Client(Server(self._stage.api, self._stage.places.admin_token, "the round's own service"))

        def done() -> bool:
            with contextlib.suppress(RolloutError):
                return bool(client.post(f"/rollouts/{self._rollout}/{act}", {"reason": "chaos"}))
            return False

        self._stage.wait(done, 60.0, f"the API to take {act}")

    def _meets(self, where: str) -> bool:
        """Wait until the rollout is there; False where it ended before, or does not get there."""
        if where == "anywhere":
            time.sleep(self._stage.random.uniform(0.0, 5.0))
            return True

        def there() -> str | None:
            now = place(self._witness.last)
            return now if now == where or now in ENDS else None

        with contextlib.suppress(GivenUpError):
            return self._stage.wait(there, SECONDS_TO_MEET, where) == where
        return False

    def _inject(self, wish: Wish) -> None:
        began = time.monotonic()
        try:
            said = wish.fault.inject(self._stage)
        except NothingToStrikeError as missed:
            self._say(f"  {wish.where}: left out: {missed}")
            return
        self._stage.wait(self._whole(), SECONDS_TO_HEAL, f"a whole service after {wish.fault.NAME}: {said}")
        found = Injected(wish.fault.NAME, wish.where, said, time.monotonic() - began)
        self._outcome.injected.append(found)
        self._say(f"  {wish.where}: {said}; whole again after {found.lost:.1f} s")
        found.violations = self._new(self._check(ended=False))

    def _whole(self) -> Callable[[], bool]:
        """Ready doors, counters that all move, copies that are what is signed: all seen after this call."""
        before = self._witness.last

        def whole() -> bool:
            now = self._witness.last
            moves = all(now.beacons.get(name, 0) > counter + 1 for name, counter in before.beacons.items())
            judges = now.over or now.judged.get("counter", 0) > before.judged.get("counter", 0) + 1
            return moves and judges and dict(now.copied) == dict(now.signed) and self._stage.ready()

        return whole

    def _settle(self) -> None:
        """Let hosts that only now hear of the way back take it, the watch end, and nothing change any more."""
        if self._outcome.kind != "good":
            members, origins = self._fleet.swarm.members, self._fleet.origins
            with contextlib.suppress(GivenUpError):
                self._stage.wait(lambda: not any(checks.fleet_truth(members, origins)), SECONDS_HOME)
        self._stage.wait(lambda: self._witness.last.over, SECONDS_TO_END, "the end of the watch")
        time.sleep(SECONDS_AFTER)

    def _check(self, *, ended: bool) -> list[Violation]:
        ledger, rollout, fleet = self._fleet.ledger.copy(), self._rollout, self._fleet
        found = [*self._witness.violations, *self._stage.violations]

        def look(tx: Transaction) -> list[Violation]:
            seen = [*checks.acknowledged(tx, ledger), *grants.check(tx, rollout), *checks.evidence(tx, rollout)]
            seen += checks.adoptions(tx, rollout, ledger, self._witness.stopped_at)
            if ended:
                seen += checks.end_state(tx, rollout, self._outcome.kind, fleet.swarm.members, fleet.origins)
            return seen

        found += self._records.read(look)
        if ended:  # not within a snapshot: PostgreSQL ends one that stands open for so long
            stored = self._records.read(lambda tx: tx.judging.judgement(rollout))
            found += by_command_line(stored, self._stage, rollout)
        return found

    def _new(self, found: Sequence[Violation]) -> list[Violation]:
        """Return those that were not told before, and tell them."""
        new = [each for each in dict.fromkeys(found) if each not in self._told]
        self._told.update(new)
        for each in new:
            self._say(f"  VIOLATION {each.check}: {each.seen}")
        return new
