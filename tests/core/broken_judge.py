"""Each rule of the judge and the pacer taken out of the code, one at a time: `python tests/core/broken_judge.py`.

A mutant is a copy of the tree with a few words replaced; the test that its line names must fail on it, and pass
without. Exit 1 where one does not.
"""

import argparse
import importlib
import os
import runpy
import signal
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import hypothesis
import pytest

TRIAL = runpy.run_path(str(Path(__file__).parents[1] / "scenarios" / "broken_promises.py"))
ROOT = TRIAL["ROOT"]
SHARED = ("numpy", "scipy.special", "scipy.optimize", "pydantic", "msgspec", "sqlalchemy", "alembic.command", "httpx")


@dataclass(frozen=True)
class Mutant:
    """`edits`: (file, words as they are, words without the rule); `test`: what fails without it."""

    promise: str
    test: str
    edits: Sequence[tuple[str, str, str]]


def mutants() -> list[Mutant]:
    """All of them, in the order of the file."""
    listed = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())["mutant"]
    return [
        Mutant(
            each["promise"], each["test"], [(edit["file"], edit["words"], edit["without"]) for edit in each["edits"]]
        )
        for each in listed
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="Mutants whose rule has one of these words.")
    asked = parser.parse_args()
    for name in SHARED:
        importlib.import_module(name)
    chosen = [each for each in mutants() if not asked.only or any(word in each.promise for word in asked.only)]
    with TemporaryDirectory(prefix="rollout-judge-") as name:
        tree = TRIAL["copy"](Path(name))
        tests = sorted({each.test for each in chosen})
        if not passes(tree, tests):
            print("the tests fail on the code as it is")
            return 1
        print("| rule taken out | found by |\n|---|---|", flush=True)
        survived = sum(not found(tree, mutant) for mutant in chosen)
    print(f"\n{len(chosen)} mutants, {survived} survived", flush=True)
    return 1 if survived else 0


def found(tree: Path, mutant: Mutant) -> bool:
    """Whether the named test fails on the tree without this rule; the tree is as before afterwards."""
    before = {file: (tree / file).read_text() for file, _, _ in mutant.edits}
    TRIAL["break_"](mutant, tree)
    fails = not passes(tree, [mutant.test])
    for file, text in before.items():
        (tree / file).write_text(text)
    name = mutant.test.rpartition("::")[2]
    print(f"| {mutant.promise} | {name if fails else '**nothing**'} |", flush=True)
    return fails


def passes(tree: Path, tests: Sequence[str]) -> bool:
    """Whether these tests pass in the tree, in a process of its own that has read nothing of ours yet."""
    trial = get_context("fork").Process(target=_run, args=(tree, tests))
    trial.start()
    trial.join(600)
    trial.kill()  # what hangs fails
    if trial.exitcode not in {0, 1, None, -signal.SIGKILL}:
        raise SystemExit(f"pytest could not run {tests}: exit {trial.exitcode}")
    return trial.exitcode == 0


def _run(tree: Path, tests: Sequence[str]) -> NoReturn:
    os.chdir(tree)
    sys.path.insert(0, str(tree))
    sys.dont_write_bytecode = True  # two versions of a file may be of one second
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # one failure is enough, small or not
    hypothesis.settings.register_profile("trial", phases=phases, database=None)
    hypothesis.settings.load_profile("trial")
    loaded = "ignore::pytest.PytestAssertRewriteWarning"  # plugins were read before the fork
    os._exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-W", loaded, *tests]))


if __name__ == "__main__":
    sys.exit(main())
