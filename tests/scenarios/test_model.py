"""The model in the suite: seeded worlds, as many as it takes for two thousand steps and every depth."""

import runpy
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.scenarios.model_machine import run
from tests.scenarios.model_steps import DONE, SEEN

SEEDS, WORLDS, STEPS = range(2, 10), 22, 50
AT_ONCE = 2
DEPTHS = {  # two seeds reach them all, as a rule
    "grants", "confirmed", "failed", "dark", "blind ticks", "approve 200", "resume 200", "freezes", "unfreezes",
    "ring promoted", "ring halted", "to awaiting-approval", "to completed", "to halted", "to paused", "to rolling-back",
    "to rolled-back",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1_800)  # some minutes of work, which may be beside much other
def test_the_promises_hold_after_each_of_two_thousand_steps_in_any_order() -> None:
    done, seen = 0, Counter[str]()
    with ProcessPoolExecutor(AT_ONCE, get_context("spawn"), max_tasks_per_child=1) as pool:
        for first in SEEDS[::AT_ONCE]:
            for steps, depths, found in pool.map(explore, range(first, first + AT_ONCE)):
                assert not found, found
                done += steps
                seen += depths
            if done >= 2_000 and not DEPTHS - set(seen):
                break
    assert done >= 2_000
    assert not DEPTHS - set(seen), "a model that never gets there shows nothing"


def explore(number: int) -> tuple[int, Counter[str], str]:
    """Play the worlds of one seed: how many steps, what was seen, and the way to what was found."""
    try:
        run(number, WORLDS, STEPS)
    except BaseException:  # hypothesis tells the steps in notes, which no other process would see
        return DONE.total(), SEEN, traceback.format_exc()
    return DONE.total(), SEEN, ""


def test_every_promise_that_is_taken_out_on_trial_still_stands_in_the_code() -> None:
    """Else the trial would be of something else; it runs by hand: `python tests/scenarios/broken_promises.py`."""
    trial = runpy.run_path(str(Path(__file__).with_name("broken_promises.py")))
    for mutant in trial["mutants"]():
        for file, words, without in mutant.edits:
            assert (trial["ROOT"] / file).read_text().count(words) == 1, (mutant.promise, file)
            assert words != without
