"""The model for hours: `python tests/scenarios/soak_model.py --steps 200000`, other steps with every seed.

Prints what was done and seen; exit 1 at the first promise that does not hold, with the steps that lead there. A folder
in memory (TMPDIR) spares the disk.
"""

import argparse
import json
import logging
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.scenarios.model_machine import run
from tests.scenarios.model_steps import DONE, FOUND, SEEN

STEPS, WORLDS = 100, 20  # of one world; worlds of one seed at most


def main() -> int:
    asked = _arguments()
    told = soak(asked.steps, asked.seed, asked.minutes, print)
    print(json.dumps(told, indent=1))
    return 0 if told["violations"] == 0 else 1


def soak(
    steps: int, number: int, minutes: float | None = None, say: Callable[[str], object] = str
) -> dict[str, object]:
    """Run worlds of one seed after another until so many steps are done, or something is found; what was done."""
    logging.disable(logging.CRITICAL)
    begun = time.monotonic()
    while DONE.total() < steps and (minutes is None or time.monotonic() - begun < 60 * minutes):
        try:
            run(number, min(WORLDS, -(-(steps - DONE.total()) // STEPS)), STEPS)
        except BaseException:
            if not FOUND:
                raise
            say(traceback.format_exc())
            break
        number += 1
        say(f"{DONE.total()} steps, {SEEN['rollouts']} rollouts, {SEEN['grants']} grants; seeds to {number}")
    return _told(number, begun)


def _told(number: int, begun: float) -> dict[str, object]:
    first = FOUND[0] if FOUND else (None, None)
    return {
        "steps": DONE.total(),
        "seeds_to": number,
        "seconds": round(time.monotonic() - begun),
        "violations": len(FOUND),
        "found_after": first[0],
        "found": first[1],
        "by_kind": dict(DONE.most_common()),
        "seen": dict(SEEN.most_common()),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--minutes", type=float, help="Stop after so long, whatever is done by then.")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
