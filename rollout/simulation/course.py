"""The course of one rollout: one run of a scenario from its first question to the last judgement."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from policies.document import Policy
from rollout.decision import State
from rollout.evidence.rows import Row
from rollout.simulation.adoptions import Adoptions
from rollout.simulation.information import expected, sprt_crashes
from rollout.simulation.measured import Measured
from rollout.simulation.mishaps import Mishaps
from rollout.simulation.passage import Passage
from rollout.simulation.scenario import Scenario
from rollout.simulation.world import HOUR, World

LONGEST_HOURS: Final = 24.0 * 120
"""No run is followed for longer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run; hours since it began, None: it did not happen.

    `state`: halted, paused, held or completed (running, where it was followed for too long). `grant_hours`: the last
    ring was wholly admitted. `exposed`, `crashes`: hosts granted and their first crashes since the fault acts, up to
    the halt or the end. `information`: in units of ln(1/alpha)
    up to the halt, `promoted`: hours by ring, `sprt`: exposed crashes that the test which knows the ratio needed.
    `waited_for`: by ring the gate that opened last, where one was shut after its minimum bake.
    """

    number: int
    state: str
    paused: bool
    halt_hours: float | None
    grant_hours: float | None
    complete_hours: float | None
    end_hours: float
    harmed: int
    exposed: int
    crashes: int
    information: float | None
    sprt: int | None
    rows: int
    promoted: dict[str, float]
    waited_for: dict[str, str] = field(default_factory=dict)
    evidence: list[Row] | None = field(default=None, compare=False)


def play(scenario: Scenario, policy: Policy, seed: int, number: int, *, keep: bool = False) -> Outcome:
    """Play run `number`; the same seed and number give the same run anywhere. `keep`: its evidence too."""
    world, passage, mishaps, adoptions = run(scenario, policy, seed, number, keep=keep)
    return _outcome(world, passage, mishaps, adoptions, number)


def run(
    scenario: Scenario, policy: Policy, seed: int, number: int, *, keep: bool = False, most_crashes: int | None = None
) -> tuple[World, Passage, Mishaps, Adoptions]:
    """Run one and return what is left of its world.

    `most_crashes`: go on after a halt, until so many crashes of exposed hosts were reported: a path for other rules.
    """
    world = World(scenario, policy, np.random.default_rng([seed, number]), keep=keep)
    mishaps = Mishaps(world)
    mishaps.reports = None if most_crashes is None else []
    adoptions = Adoptions(world, mishaps.suffer, mishaps.kill)
    mishaps.ledger = adoptions
    world.admitted = adoptions.askers.is_whole
    passage = Passage(world, adoptions, mishaps, most_crashes=most_crashes)
    world.changed, world.row_came = passage.changed, passage.row_came
    mishaps.begin()
    Measured(world).begin()
    _let_gateway_fail(world, adoptions)
    world.queue.put(0.0, lambda _: passage.begin())
    while passage.ended is None and (following := world.queue.take()) is not None:
        at, event = following
        if at > LONGEST_HOURS * HOUR:
            break
        event(at)
    world.pen.flush()
    return world, passage, mishaps, adoptions


def _let_gateway_fail(world: World, adoptions: Adoptions) -> None:
    """The judge goes blind when no gateway moves, and sees again when one does."""

    def down(at: float) -> None:
        world.blind = "gateway"
        world.tick(at)

    def up(at: float) -> None:
        world.blind = None
        world.tick(at)
        adoptions.offer(at)

    world.queue.put(world.gateway.down, down)
    world.queue.put(world.gateway.up, up)


def _outcome(world: World, passage: Passage, mishaps: Mishaps, adoptions: Adoptions, number: int) -> Outcome:
    halt = world.pen.fold.halt
    end = halt.at if halt is not None else passage.ended or world.now
    state = "halted" if halt is not None else str(passage.state)
    ratio = world.scenario.fault.ratio
    acted = [one for one in mishaps.crashes if world.scenario.fault.onset_hours * HOUR <= one.at <= end]
    return Outcome(
        number=number,
        state=state,
        paused=passage.state == State.PAUSED or world.pen.fold.first_pause is not None,
        halt_hours=None if halt is None else halt.at / HOUR,
        grant_hours=None if passage.granted_at is None else passage.granted_at / HOUR,
        complete_hours=None if passage.completed_at is None else passage.completed_at / HOUR,
        end_hours=end / HOUR,
        harmed=mishaps.toll.harmed(end),
        exposed=adoptions.granted,
        crashes=sum(one.exposed for one in acted),
        information=expected(world, end) if halt is not None and ratio > 1.0 else None,
        sprt=sprt_crashes(acted, ratio) if ratio > 1.0 else None,
        rows=world.pen.rows,
        promoted={ring: at / HOUR for ring, at in passage.promoted.items()},
        waited_for=passage.waited_for,
        evidence=world.pen.kept,
    )
