"""The model for hours: `python tests/scenarios/soak_model.py --steps 200000`, other steps with every seed.

Prints what was done and seen; exit 1 at the first promise that does not hold, with the steps that lead there. A folder
in memory (TMPDIR) spares the disk.
"""

import argparse
import json
import logging
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.scenarios.model_machine import Model
from tests.scenarios.model_steps import DONE, FOUND, SEEN

STEPS, WORLDS = 60, 60  # of one world; worlds of one seed at most


def main() -> int:
    asked = _arguments()
    logging.disable(logging.CRITICAL)
    begun, number = time.monotonic(), asked.seed
    while DONE.total() < asked.steps and (asked.minutes is None or time.monotonic() - begun < asked.minutes * 60):
        try:
            _some(number, min(WORLDS, -(-(asked.steps - DONE.total()) // STEPS)))
        except BaseException:
            print(json.dumps(_told(number, begun)), flush=True)
            if not FOUND or not asked.brief:
                raise
            return 1
        number += 1
        if not asked.brief:
            print(f"{DONE.total()} steps, seed {number}, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    print(json.dumps(_told(number, begun), indent=None if asked.brief else 1), flush=True)
    return 0


def _some(number: int, worlds: int) -> None:
    """Some worlds, of this seed."""
    chosen = settings(
        max_examples=worlds,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(Model), settings=chosen)


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
    parser.add_argument("--brief", action="store_true", help="One line of JSON, no trace.")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
