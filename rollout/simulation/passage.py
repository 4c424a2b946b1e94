"""The way of one run through its rings: the steps that the production judge and the state tables allow.

Whoever is asked to approve does so at once; nobody resumes. A rollout that stopped without being halted is judged for
as long as a completed one is watched.
"""

import math
from functools import partial
from typing import Final

from rollout.decision import BEGINS, RING_BEGINS, RingState, RingStep, State, Step, allows, ring_target, target
from rollout.evidence.rows import Guard
from rollout.judge.promotion import PROMOTE_AT
from rollout.simulation.adoptions import Adoptions
from rollout.simulation.fleet import CONTROL, PROVEN
from rollout.simulation.mishaps import Mishaps
from rollout.simulation.world import HOUR, World

LOOK_SECONDS: Final = 300.0
"""How often gates are asked that may open by time."""
SLOWEST_GAIN: Final = 0.9
"""1 - the smallest alternative of the promoting processes: what one control failure adds to ln P is at most about this
times the exposed share, so the gates are not asked before enough rows may have come."""
PATIENCE: Final = 200
"""Gates are asked at the earliest after one more row in so many: a quarter of an hour late in two days, at most."""
UNTIL_PEOPLE_ACT: Final = 7 * 24 * HOUR
"""How long a rollout that paused or was held is judged on: in service as long as nobody ends it."""
ROWS_A_LOOK: Final = 64
"""Rows between two looks of a fixed schedule."""
SLACK: Final = 1.2
"""A row's own band may have a larger exposed share than its stratum."""


class Passage:
    """States of the rollout and of its rings. `ended`: when nothing more is to be judged.

    `waited_for`: by ring the gate that was last seen shut once time and host-hours had passed.
    """

    def __init__(self, world: World, adoptions: Adoptions, mishaps: Mishaps, *, most_crashes: int | None) -> None:
        self._most_crashes = most_crashes
        self._world, self._adoptions, self._mishaps = world, adoptions, mishaps
        self.state: State = BEGINS
        self.rings = dict.fromkeys(world.rings, RING_BEGINS)
        self.promoted: dict[str, float] = {}
        self.granted_at: float | None = None
        self.completed_at: float | None = None
        self.ended: float | None = None
        self._due: dict[Guard, int] | None = None
        self._shut: set[str] = set()
        self.waited_for: dict[str, str] = {}
        self._looking_at = math.inf
        self._looked_rows = 0
        self._bake_begun: tuple[float, float] | None = None

    def begin(self) -> None:
        """Open the first ring; by a fixed schedule, every ring at its hour."""
        bake = self._world.scenario.fixed_bake_hours
        if bake is None:
            self._look(0.0)
            return
        self._adoptions.unbound = True
        for number, ring in enumerate(self._world.rings):
            self._world.queue.put(number * bake * HOUR, partial(self._open_by_clock, ring))
        self._world.queue.put(len(self.rings) * bake * HOUR, partial(self._take, Step.COMPLETE))

    def _open_by_clock(self, ring: str, at: float) -> None:
        world = self._world
        self.rings = {name: RingState.PROMOTED if name == world.ring else state for name, state in self.rings.items()}
        world.ring = ring
        world.tick(at)
        self._adoptions.open_ring(ring, at)

    def row_came(self, at: float) -> None:
        """A guard row was written: look whether the gates opened, if they can have."""
        if self._adoptions.unbound:
            self._look_by_clock(at)
            return
        due = self._due
        if due is not None and all(self._mishaps.rows[guard] >= count for guard, count in due.items()):
            self._look(at)

    def _look_by_clock(self, at: float) -> None:
        """A fixed schedule knows no gates: judge now and then, and end where the judge halted."""
        pen = self._world.pen
        if pen.rows >= self._looked_rows + ROWS_A_LOOK:
            self._looked_rows = pen.rows
            pen.flush()
            if self._most_crashes is None:
                self.ended = at if pen.fold.halt is not None else self.ended
            elif sum(one.exposed for one in self._mishaps.crashes) >= self._most_crashes:
                self.ended = at

    def changed(self, at: float) -> None:
        """Adoptions were granted or settled: look whether that ends an admission, or lets a ring open."""
        if self.state == State.RUNNING and not self._adoptions.unbound:
            state = self.rings[self._current()]
            ended = state == RingState.ADMITTING and self._adoptions.askers.is_whole()
            if ended or (state == RingState.WAITING and self._adoptions.unsettled == 0):
                self._plan(at)

    def _look_again(self, at: float) -> None:
        if at >= self._looking_at:
            self._looking_at = math.inf
            self._look(at)

    def _plan(self, at: float) -> None:
        """Look again at a moment, unless an earlier look is planned."""
        if at < self._looking_at:
            self._looking_at = at
            self._world.queue.put(at, self._look_again)

    def _look(self, at: float) -> None:
        """Judge now and take what steps are allowed."""
        self._due = None
        world = self._world
        world.tick(at)
        world.pen.flush()
        if world.pen.fold.halt is not None:
            self.ended = at
            return
        if world.pen.fold.pause is not None:
            self._take(Step.PAUSE, at)
        if self.state == State.RUNNING:
            self._move(at)
        self._wait(at)

    def _move(self, at: float) -> None:
        world, name = self._world, self._current()
        state = self.rings[name]
        if state == RingState.WAITING and self._adoptions.unsettled == 0:
            self.rings[name] = ring_target(RingStep.OPEN)
            world.ring = name
            world.tick(at)
            self._adoptions.open_ring(name, at)
            self._plan(at + 1.0)
        elif state == RingState.ADMITTING and world.admitted():
            self.rings[name] = ring_target(RingStep.BAKE)
            self.granted_at = at if name == world.rings[-1] else None
            self._bake_begun = (world.counts.clock, world.counts.exposed_hours)
            self._plan(at)
        elif state == RingState.BAKING:
            self._bake(at, name)

    def _bake(self, at: float, name: str) -> None:
        world = self._world
        approval = world.policy.ring(name).approval
        if self._bake_left(name) > 0:
            return
        fold = world.pen.fold
        shut = [gate.name for gate in fold.gates() if not gate.passed]
        self._shut = set(shut)
        if shut:
            self.waited_for[name] = shut[0]
            if self._bake_most(name) <= 0 and fold.over_bake:
                self._take(Step.HOLD, at)
            return
        if approval is not None and not fold.approved():
            for number in range(approval.persons):
                world.pen.approve(at, name, f"person-{number + 1}")
            world.pen.flush()
        if fold.may_promote():
            self.rings[name] = ring_target(RingStep.PROMOTE)
            self.promoted[name] = at
            self._plan(at)
            if name == world.rings[-1]:
                self._take(Step.COMPLETE, at)

    def _take(self, step: Step, at: float) -> None:
        """Take a step that the table allows, and judge on: for as long as the policy watches, or people may take."""
        if not allows(self.state, step):
            return
        self.state = target(step)
        world = self._world
        clock = world.gateway.clock(at)
        if step is Step.COMPLETE:
            self.completed_at = at
            judged = world.policy.watch.total_seconds()
        else:
            self._adoptions.stopped = True
            judged = UNTIL_PEOPLE_ACT
        world.queue.put(world.gateway.when(clock + judged), self._end)

    def _end(self, at: float) -> None:
        self.ended = at

    def _wait(self, at: float) -> None:
        """Plan the next look."""
        if self.state != State.RUNNING:
            self._plan(at + HOUR)
            return
        name = self._current()
        if self.rings[name] != RingState.BAKING:
            self._plan(at + HOUR)  # admissions and settled adoptions are told by `changed`
            return
        left = self._bake_left(name)
        if left > 0:
            self._plan(at + max(left, 1.0))
            return
        if self._shut == {"hazard"}:
            self._due = self._rows_due()
            self._plan(at + max(1.0, min(HOUR, self._bake_most(name))))
        else:
            self._plan(at + max(1.0, min(LOOK_SECONDS, self._bake_most(name))))

    def _bake_left(self, name: str) -> float:
        """Return the seconds until minimum bake and host-hours can be reached."""
        bake, counts = self._world.policy.ring(name).bake, self._world.counts
        clock, hours = self._bake_begun or (0.0, 0.0)
        exposed = max(1.0, self._world.fleet.granted * self._world.habits.awake)
        by_hours = (hours + bake.host_hours - counts.exposed_hours) / exposed * HOUR
        return min(max(clock + bake.min.total_seconds() - counts.clock, by_hours), self._bake_most(name) + 1.0)

    def _bake_most(self, name: str) -> float:
        """Return the seconds until the maximum bake."""
        begun = self._bake_begun[0] if self._bake_begun is not None else 0.0
        return begun + self._world.policy.ring(name).bake.max.total_seconds() - self._world.counts.clock

    def _rows_due(self) -> dict[Guard, int]:
        """Return how many rows each promoting process needs at the least, all of them of control."""
        world, rows = self._world, self._mishaps.rows
        margin = world.policy.ring(self._current()).promote.margin or 1.0
        proven = sum(own[PROVEN] for own in world.fleet.at_risk[0])
        control = sum(own[CONTROL] for own in world.fleet.at_risk[0])
        share = margin * proven / max(margin * proven + control, 1.0)
        gain = -math.log1p(-min(SLOWEST_GAIN * share * SLACK, 0.99))
        return {
            guard: rows[guard]
            + max(1, rows[guard] // PATIENCE, int(math.log(PROMOTE_AT / max(p, 1e-300)) / max(gain, 1e-12)))
            for guard, p in world.pen.fold.safety.items()
        }

    def _current(self) -> str:
        """Return the ring in hand: the first that is not promoted, else the last."""
        found = (name for name, state in self.rings.items() if state != RingState.PROMOTED)
        return next(found, self._world.rings[-1])
