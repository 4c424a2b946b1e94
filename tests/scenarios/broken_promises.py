"""Each promise taken out of the code, one at a time, and found: `python tests/scenarios/broken_promises.py`.

A mutant is a copy of the tree with a few words replaced; the model runs on it until it finds something. Words that are
no longer there are an error: whoever changes the code changes its mutant. Prints which check found each, after how many
steps; exit 1 where one survives.
"""

import argparse
import importlib
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[2]
NEEDED = ("rollout", "policies", "workflows", "tests", "deploy", "pyproject.toml")
# What every mutant imports and none changes, once for all of them; nothing of ours is imported before the fork.
SHARED = ("alembic.command", "hypothesis.stateful", "numpy", "pydantic", "sqlalchemy", "temporalio.client")
SHARED += ("securesystemslib.signer", "tuf.api.metadata")


@dataclass(frozen=True)
class Mutant:
    """`edits`: (file, words as they are, words without the promise)."""

    promise: str
    edits: Sequence[tuple[str, str, str]]


def mutants() -> list[Mutant]:
    """All of them, in the order of the promises."""
    listed = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())["mutant"]
    return [
        Mutant(each["promise"], [(edit["file"], edit["words"], edit["without"]) for edit in each["edits"]])
        for each in listed
    ]


def main() -> int:
    asked = _arguments()
    chosen = [mutant for mutant in mutants() if not asked.only or any(word in mutant.promise for word in asked.only)]
    print("| promise taken out | found by | after steps | seconds |", flush=True)
    print("|---|---|---:|---:|", flush=True)
    survived = 0
    for name in SHARED:
        importlib.import_module(name)
    with get_context("fork").Pool(asked.jobs, maxtasksperchild=1) as pool:
        trials = pool.imap_unordered(partial(try_one, steps=asked.steps, seed=asked.seed), chosen)
        for mutant, told in trials:
            found = told["found"]
            survived += found is None
            by = "**nothing**" if found is None else _short(str(found))
            steps = told["found_after"] if found is not None else told["steps"]
            print(f"| {mutant.promise} | {by} | {steps} | {told['seconds']} |", flush=True)
    print(f"\n{len(chosen)} mutants, {survived} survived", flush=True)
    return 1 if survived else 0


def try_one(mutant: Mutant, steps: int, seed: int) -> tuple[Mutant, dict[str, Any]]:
    """What the model finds in a copy of the tree without this promise; in a process of its own, which ends with it."""
    with TemporaryDirectory(prefix="rollout-mutant-") as name:
        tree = copy(Path(name))
        break_(mutant, tree)
        tempfile.tempdir = name  # what the model leaves goes with the tree
        os.chdir(tree)
        sys.path.insert(0, str(tree))
        model = importlib.import_module("tests.scenarios.soak_model")
        return mutant, model.soak(steps, seed)


def copy(tree: Path) -> Path:
    """What the model needs of the tree."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    return tree


def break_(mutant: Mutant, tree: Path) -> None:
    """Replace the words; SystemExit where they do not stand there exactly once."""
    for file, words, without in mutant.edits:
        path = tree / file
        text = path.read_text()
        if text.count(words) != 1:
            raise SystemExit(f"{mutant.promise}: {file} has {text.count(words)} times, not once: {words!r}")
        path.write_text(text.replace(words, without))


def _short(found: str) -> str:
    """The check's name: what stands before the first colon after the error's own name."""
    name, _, rest = found.partition(" ")
    return rest.split(":")[0] if name == "ViolationError" else f"{name}: {rest.splitlines()[0][:70] if rest else ''}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6_000, help="Of the model, at most, on each mutant.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", nargs="+", help="Mutants whose promise has one of these words.")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
