"""Two workers; the one that judges is stopped past its ownership, and continued beside the new owner.

`up` is stopped as well, or it would end a child that does not move.
"""

import os
import signal
import time

from tests.chaos.owners import owners, stop_empty_handed, wait_for_others
from tests.chaos.stage import Stage

NAME = "two workers, one stopped"
SECONDS_STOPPED = 8.0  # at least: leases are taken over after 5 s, also where nothing is judged any more
SECONDS_TOGETHER = 3.0  # the time to do harm, for the one that comes back


def inject(stage: Stage) -> str:
    with stage.another_worker() as other, stage.unsupervised():
        before = owners(stage)
        worker = stop_empty_handed(stage, "worker")
        seconds = wait_for_others(stage, before)
        time.sleep(max(0.0, SECONDS_STOPPED - seconds))
        os.kill(worker, signal.SIGCONT)
        time.sleep(SECONDS_TOGETHER)
        return f"stopped the worker until a second one ({other.pid}) had taken over; then both ran"
