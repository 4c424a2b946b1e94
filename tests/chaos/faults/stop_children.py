"""SIGSTOP of one child, whatever it holds, for good: `up` ends it and starts it again."""

import signal

from tests.chaos.stage import Stage, alive

NAME = "stop a child for good"
SECONDS_TO_END = 300.0


def inject(stage: Stage) -> str:
    role = stage.random.choice(("worker", "gateway", "serve"))
    pid = stage.signal(role, signal.SIGSTOP)
    stage.wait(lambda: not alive(pid), SECONDS_TO_END, f"the stopped {role} to be ended")
    return f"stopped {role} for good"
