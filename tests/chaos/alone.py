"""What befalls one process alone: it is killed, or stopped for a while and continued."""

import os
import signal
import time
from collections.abc import Callable

from tests.chaos.stage import Stage

Inject = Callable[[Stage], str]
OUTLIVES_ITS_SIGN = (6.0, 9.0)
"""Seconds: longer than anybody counts a process as alive that does not move."""


def killed(role: str) -> Inject:
    """Make the fault that SIGKILLs a role; `up` starts it again."""
    return lambda stage: f"killed {role} ({stage.kill(role)})"


def stopped(
    role: str,
    seconds: tuple[float, float] = OUTLIVES_ITS_SIGN,
    stop: Callable[[Stage, str], int] = lambda stage, role: stage.signal(role, signal.SIGSTOP),
) -> Inject:
    """Make the fault that stops a role for a while, then SIGCONT; `up` is stopped too, or would end it.

    `stop`: how it is stopped; the process id.
    """

    def inject(stage: Stage) -> str:
        lasts = stage.random.uniform(*seconds)
        with stage.unsupervised():
            pid = stop(stage, role)
            time.sleep(lasts)
            os.kill(pid, signal.SIGCONT)
        return f"stopped {role} for {lasts:.1f} s"

    return inject
