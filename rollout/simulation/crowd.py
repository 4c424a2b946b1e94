"""Many runs at once, spread over processes; each is seeded by its own number, so nothing depends on how many."""

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Final, TypeVar

from policies.document import Policy
from rollout.adapters.engine.tether import tie
from rollout.simulation.course import Outcome, play
from rollout.simulation.scenario import Scenario

FEW: Final = 4
"""Runs that are not worth another process."""
SHARE: Final = 8
"""Runs handed to a process at once."""
Told = TypeVar("Told")
Played = TypeVar("Played")


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def play_all(scenario: Scenario, policy: Policy, seed: int, runs: int, jobs: int) -> Iterator[Outcome]:
    """Yield the outcomes of runs 0 to `runs` - 1, in order, as they are done."""
    return each_run(play, scenario, policy, seed, range(runs), jobs)


def each_run(
    how: Callable[[Told, Policy, int, int], Played],
    scenario: Told,
    policy: Policy,
    seed: int,
    numbers: Sequence[int],
    jobs: int,
) -> Iterator[Played]:
    """Yield what `how` makes of every run, in order, as they are done."""
    one = partial(_alone, how, scenario, policy, seed)
    if jobs <= 1 or len(numbers) <= FEW:
        yield from map(one, numbers)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(numbers)), context, initializer=tie, initargs=(os.getpid(),)) as pool:
        yield from pool.map(one, numbers, chunksize=max(1, min(SHARE, len(numbers) // (4 * jobs))))


def _alone(
    how: Callable[[Told, Policy, int, int], Played], scenario: Told, policy: Policy, seed: int, run: int
) -> Played:
    """Play one run without the garbage collector: its world is one ring of objects that all live to its end."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return how(scenario, policy, seed, run)
    finally:
        if collects:
            gc.enable()
