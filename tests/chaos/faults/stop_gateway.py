"""SIGSTOP of gateway for longer than anybody counts it as alive, then SIGCONT; `up` is stopped too, or would end it."""

import os
import signal
import time

from tests.chaos.stage import Stage

NAME = "stop gateway"
SECONDS = (6.0, 9.0)


def inject(stage: Stage) -> str:
    seconds = stage.random.uniform(*SECONDS)
    with stage.unsupervised():
        pid = stage.signal("gateway", signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
    return f"stopped gateway for {seconds:.1f} s"
