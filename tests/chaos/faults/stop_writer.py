"""SIGSTOP of a process in the middle of a transaction: it keeps the store's turn, and is never continued.

Nobody else can write, not even a halt, until `up` ends it.
"""

import os
import signal

from tests.chaos.locks import holder
from tests.chaos.owners import stands_still, turns
from tests.chaos.stage import Stage, alive

NAME = "stop a writer for good"
SECONDS_TO_CATCH = 60.0
SECONDS_TO_END = 300.0


def inject(stage: Stage) -> str:
    role = stage.random.choice(("worker", "gateway"))
    pid = stage.wait(lambda: caught(stage, role), SECONDS_TO_CATCH, f"{role} to hold the store's turn")
    stage.wait(lambda: not alive(pid), SECONDS_TO_END, f"the stopped {role} to be ended")
    return f"stopped {role} while it held the store's turn, for good"


def caught(stage: Stage, role: str) -> int | None:
    """Stop a process; its id where it holds the turn and stands still, else it goes on."""
    pid = stage.pid(role)
    if pid not in _holders(stage):
        return None
    os.kill(pid, signal.SIGSTOP)
    stage.wait(lambda: stands_still(pid), 10.0, f"{role} to stand still")
    if pid in _holders(stage):
        return pid
    os.kill(pid, signal.SIGCONT)
    return None


def _holders(stage: Stage) -> set[int | None]:
    return {holder(file) for file in turns(stage)}
