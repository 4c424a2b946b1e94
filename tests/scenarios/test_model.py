"""The model in the suite: seeded worlds, as many as it takes for two thousand steps and every depth."""

import runpy
from pathlib import Path

import pytest

from tests.scenarios.model_machine import run
from tests.scenarios.model_steps import DONE, SEEN

SEEDS, WORLDS, STEPS = range(2, 10), 22, 50
DEPTHS = {  # two seeds reach them all, as a rule
    "grants", "confirmed", "failed", "dark", "blind ticks", "approve 200", "resume 200", "freezes", "unfreezes",
    "ring promoted", "ring halted", "to awaiting-approval", "to completed", "to halted", "to paused", "to rolling-back",
    "to rolled-back",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1_800)  # some minutes of work, which may be beside much other
def test_the_promises_hold_after_each_of_two_thousand_steps_in_any_order() -> None:
    for number in SEEDS:
        run(number, WORLDS, STEPS)
        if DONE.total() >= 2_000 and not DEPTHS - set(SEEN):
            break
    assert DONE.total() >= 2_000
    assert not DEPTHS - set(SEEN), "a model that never gets there shows nothing"


def test_every_promise_that_is_taken_out_on_trial_still_stands_in_the_code() -> None:
    """Else the trial would be of something else; it runs by hand: `python tests/scenarios/broken_promises.py`."""
    trial = runpy.run_path(str(Path(__file__).with_name("broken_promises.py")))
    for mutant in trial["mutants"]():
        for file, words, without in mutant.edits:
            assert (trial["ROOT"] / file).read_text().count(words) == 1, (mutant.promise, file)
            assert words != without
