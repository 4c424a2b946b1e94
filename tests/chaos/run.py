"""Rollouts under faults, and the promises checked after each: `python tests/chaos/run.py --rounds 8 --seed 1`.

Each round starts the whole service on a scratch folder with a simulated fleet, rolls out a candidate (good, crashing,
silent, lethal, or halted by a person), injects faults where the plan wants them, and checks the store's own records
and the fleet's own truth after each. Prints the table of faults as Markdown; exit 1 where a promise was broken.
Rounds are kept as JSON lines in --keep FILE, and what is there already counts where faults are dealt to places;
`--table FILE…` prints the table of several such files and plays nothing.
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos.plan import ORDER, PLACES, Plan, load
from tests.chaos.round import Wanted, perform
from tests.chaos.table import table


def main(arguments: Sequence[str] | None = None) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left running
    asked = _arguments(arguments)
    if asked.table:
        print(table([each for file in asked.table for each in _kept(file)]))
        return 0
    known = _kept(asked.keep) if asked.keep is not None and asked.keep.exists() else []
    plan = Plan(load(asked.faults), asked.seed, asked.kinds, known, asked.places)
    rounds = [_round(plan, number, asked) for number in range(asked.rounds)]
    violations = [seen for each in rounds for seen in _violations(each)]
    if asked.json:
        print(json.dumps({"schema": "rollout.chaos/1", "rounds": rounds, "violations": violations}))
    else:
        print(table(rounds))
    return 1 if violations else 0


def _kept(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def _round(plan: Plan, number: int, asked: argparse.Namespace) -> dict[str, Any]:
    kind, wishes = plan.deal(number)
    seed = 1000 * asked.seed + number
    _say(f"round {number + 1} of {asked.rounds}, seed {seed}: {kind}")
    with tempfile.TemporaryDirectory(prefix="rollout-chaos-", ignore_cleanup_errors=True) as folder:
        outcome = perform(Path(folder), seed, kind, wishes, Wanted(asked.hosts, asked.watch, asked.first), _say)
        if outcome.violations and asked.save is not None:
            _save(Path(folder), asked.save / str(seed))
    _say(f"  {kind}: {' > '.join(outcome.states)} in {outcome.seconds:.0f} s, {len(outcome.violations)} violations")
    found = outcome.document()
    if asked.keep is not None:
        with asked.keep.open("a") as file:
            file.write(json.dumps(found) + "\n")
    return found


def _save(folder: Path, to: Path) -> None:
    """Keep the folder of a round that saw a violation, for looking closer."""
    to.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(to)
    folder.mkdir()


def _violations(found: dict[str, Any]) -> list[list[str]]:
    return [seen for each in found["injected"] for seen in each["violations"]] + found["ending"]


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=len(ORDER))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hosts", type=int, default=80)
    parser.add_argument("--watch", default="5s", help="For how long a completed rollout is judged.")
    parser.add_argument("--faults", nargs="+", default=[], metavar="NAME", help="Modules of tests/chaos/faults.")
    parser.add_argument("--kinds", nargs="+", choices=sorted(set(ORDER)), default=list(ORDER))
    parser.add_argument("--places", nargs="+", choices=PLACES, default=PLACES, help="Where faults strike.")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="Append each round to this file.")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="Keep the folders of rounds with violations here.")
    parser.add_argument("--first", action="store_true", help="End a round at its first violation.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--table", type=Path, nargs="+", metavar="FILE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
