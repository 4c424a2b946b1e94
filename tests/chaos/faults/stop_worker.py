"""SIGSTOP of the only worker for longer than its judgement is fresh: meanwhile nobody may be let in; then SIGCONT.

`up` is stopped too, or would end it.
"""

import os
import signal
import time

from tests.chaos.owners import stop_empty_handed
from tests.chaos.stage import Stage

NAME = "stop worker"
SECONDS = (10.0, 13.0)


def inject(stage: Stage) -> str:
    seconds = stage.random.uniform(*SECONDS)
    with stage.unsupervised():
        pid = stop_empty_handed(stage, "worker")
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
    return f"stopped the only worker for {seconds:.1f} s"
