"""One round: a service on a scratch folder, a fleet, a rollout under faults, and everything cleared away again."""

import asyncio
import contextlib
import time
import unittest
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rollout.errors import RolloutError
from rollout.service.demo.operator import Operator
from rollout.service.demo.scenarios import BASELINES, CANDIDATE, PRODUCT
from tests.chaos.fleet import Fleet
from tests.chaos.outcome import Outcome, Wish
from tests.chaos.play import Play
from tests.chaos.policy import policy
from tests.chaos.stage import GivenUpError, Stage
from tests.chaos.violation import Violation
from tests.chaos.witness import Witness

Say = Callable[[str], None]
HEARTBEAT = 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a round is played. `watch`: how long a completed one is judged; `first`: it ends at its first violation."""

    hosts: int
    watch: str = "5s"
    first: bool = False


def perform(folder: Path, seed: int, kind: str, wishes: Sequence[Wish], wanted: Wanted, say: Say) -> Outcome:
    """Roll out one candidate (its kind: tests/chaos/fleet.py) under the faults that are wished for."""
    outcome = Outcome(seed, kind)
    stage = Stage(folder / "data", seed)
    try:
        with contextlib.ExitStack() as held:
            wishes = _surround(stage, wishes, held, say)
            held.callback(stage.close)
            stage.up()
            _roll_out(stage, folder, wanted, wishes, outcome, say)
    except (GivenUpError, RolloutError, AssertionError) as error:
        outcome.ending.append(Violation("no-end", f"{type(error).__name__}: {error}"))
        say(f"  VIOLATION no-end: {error}")
    return outcome


def _surround(stage: Stage, wishes: Sequence[Wish], held: contextlib.ExitStack, say: Say) -> Sequence[Wish]:
    """Make the environment that the faults need; the wishes without those that cannot be had here."""
    for fault in {w.fault.NAME: w.fault for w in wishes if hasattr(w.fault, "environment")}.values():
        try:
            stage.environment |= fault.environment(stage)
            if hasattr(fault, "clear"):
                held.callback(fault.clear, stage)
        except unittest.SkipTest as missing:
            say(f"  left out: {missing}")
            wishes = [wish for wish in wishes if wish.fault is not fault]
    return wishes


def _roll_out(stage: Stage, folder: Path, wanted: Wanted, wishes: Sequence[Wish], outcome: Outcome, say: Say) -> None:
    operator = Operator(stage.places)
    tokens = asyncio.run(prepare(operator, folder))
    with living(Fleet(stage.gateway, tokens, wanted.hosts, outcome.seed, outcome.kind, HEARTBEAT)) as fleet:
        stage.wait(lambda: fleet.ready, 120.0, "the fleet to be enrolled and heard")
        began = time.monotonic()
        why = f"a {outcome.kind} one, under faults"
        rollout = asyncio.run(operator.start(f"{PRODUCT}/{CANDIDATE}", policy(wanted.hosts, wanted.watch), why))
        with watching(stage, rollout) as witness:
            stage.wait(lambda: witness.last, 20.0, "the rollout in the store")
            try:
                Play(stage, fleet, witness, rollout, outcome, say).run(wishes, first=wanted.first)
            finally:
                outcome.states, outcome.seconds = witness.states, time.monotonic() - began


async def prepare(operator: Operator, folder: Path) -> dict[str, str]:
    """Add the releases, and make the fleet's tokens."""
    for counter in (*BASELINES, CANDIDATE):
        await operator.add_release(PRODUCT, counter, folder)
    return {role: await operator.token(role) for role in ("enrol", "collector")}


@contextlib.contextmanager
def living(fleet: Fleet) -> Iterator[Fleet]:
    """End the fleet with the block."""
    try:
        yield fleet
    finally:
        fleet.close()


@contextlib.contextmanager
def watching(stage: Stage, rollout: str) -> Iterator[Witness]:
    """Have a witness look at a rollout for a block."""
    witness = Witness(stage.records(), stage.data, rollout)
    try:
        yield witness
    finally:
        witness.close()
