"""What the model knows of the rules, by itself and small: sets of words, a few numbers, U_p solved another way."""

import math
from typing import Any

GOING = {"running", "awaiting-approval", "completed"}
FORWARD = {"running", "awaiting-approval", "paused", "held"}
STOPPED = {"halted", "rejected", "rolling-back", "rolled-back"}
OPEN = {*FORWARD, "rolling-back"}
BEGUN = {"admitting", "baking", "awaiting-approval", "promoted"}
FRESH, ENGINE, DEADLINE, DARK, BAKE = 10.0, 15.0, 60.0, 16.0, 16.0  # seconds; the model's policy and DESIGN section 3
PATIENCE = 40.0  # of the rollout clock, beyond a deadline: a gap in time puts marking off by a heartbeat
GAP, BEAT = 5.0, 4.0  # after so long without a turn of the watch nobody is marked for a heartbeat
BUDGET = {"canary": 5, "early": 5, "everyone": 20}
FIRST_BATCH, COVERAGE = 5, 7_000

# What a person's stop does, by the state it meets (INTERFACES section 4); whatever is missing is refused.
STOPS = {
    "halt": dict.fromkeys((*FORWARD, "completed"), "halted") | {state: state for state in STOPPED},
    "reject": dict.fromkeys(FORWARD, "rejected") | {"rejected": "rejected"},
    "pause": dict.fromkeys(FORWARD, "paused"),
    "rollback": dict.fromkeys((*OPEN, "completed", "halted", "rejected"), "rolling-back"),
}
LEAVES = {"approve": {"awaiting-approval"}, "resume": {"paused", "held"}}


class ViolationError(AssertionError):
    """A promise that does not hold; findings begin with their promise."""

    def __init__(self, promise: str, detail: Any) -> None:
        super().__init__(f"{promise}: {detail}")
        self.promise = promise


def held(promise: str, so: Any, detail: Any = "") -> None:
    """Raise ViolationError unless it is so."""
    if not so:
        raise ViolationError(promise, detail)


def early_life(n: int, x: int) -> float:
    """U_p by bisection: the largest p that the mixture has not rejected at 5 %."""
    if x == n:
        return 1.0
    mixture = math.lgamma(x + 0.5) + math.lgamma(n - x + 0.5) - math.lgamma(n + 1) - math.log(math.pi)
    low, high = x / n, 1.0
    for _ in range(60):
        p = (low + high) / 2
        inside = mixture - (x * math.log(p) if x else 0.0) - (n - x) * math.log1p(-p) <= math.log(20)
        low, high = (p, high) if inside else (low, p)
    return high
