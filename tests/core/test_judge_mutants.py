"""The trial of the judge's rules is of the code as it is; it runs by hand: `python tests/core/broken_judge.py`."""

import ast
import runpy
from pathlib import Path

import pytest

TRIAL = runpy.run_path(str(Path(__file__).with_name("broken_judge.py")))


@pytest.mark.parametrize("mutant", TRIAL["mutants"](), ids=lambda each: each.promise)
def test_the_words_of_each_rule_still_stand_in_the_code_and_its_test_is_there(mutant):
    for file, words, without in mutant.edits:
        assert (TRIAL["ROOT"] / file).read_text().count(words) == 1
        assert words != without
    file, _, name = mutant.test.partition("::")
    tree = ast.parse((TRIAL["ROOT"] / file).read_text())
    assert name in {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
