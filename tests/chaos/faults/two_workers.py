"""Two workers; the one that judges is stopped past its ownership, and continued beside the new owner.

It must give up: a worker that goes on judging beside the new owner may be kept from writing by other means than its
epoch, for a while, so it is asked what it judges. `up` is stopped as well, or it would end a child that does not move.
"""

import os
import signal
import time

from tests.chaos.owners import owners, stop_empty_handed, wait_for_others
from tests.chaos.stage import GivenUpError, Stage
from tests.chaos.violation import Violation

NAME = "two workers, one stopped"
SECONDS_STOPPED = 8.0  # at least: leases are taken over after 5 s, also where nothing is judged any more
SECONDS_TOGETHER = 3.0  # the time to do harm, for the one that comes back
SECONDS_TO_GIVE_UP = 60.0  # one tick; patience with a machine that runs much else


def inject(stage: Stage) -> str:
    with stage.another_worker() as other, stage.unsupervised():
        before = owners(stage)
        worker = stop_empty_handed(stage, "worker")
        seconds = wait_for_others(stage, before)
        time.sleep(max(0.0, SECONDS_STOPPED - seconds))
        os.kill(worker, signal.SIGCONT)
        time.sleep(SECONDS_TOGETHER)
        _must_have_given_up(stage)
        return f"stopped the worker until a second one ({other.pid}) had taken over; then both ran"


def _must_have_given_up(stage: Stage) -> None:
    said: list[int] = []

    def given_up() -> bool:
        said.extend(now for now in [stage.judges()] if now is not None)
        return said[-1:] == [0]

    try:
        stage.wait(given_up, SECONDS_TO_GIVE_UP, "the worker that was stopped to say what it judges")
    except GivenUpError:
        if not said:
            raise
        seen = f"the worker that was stopped judges {said[-1]} rollouts beside the one that took over"
        stage.violations.append(Violation("two-judges", seen))
