"""A publisher stopped between signing and copying, while it waits for the folder's lock; continued when it is old.

The lock is held here until it waits, which lasts for half a second each time that something is to be copied; then
another worker takes the leases over and copies newer versions.
"""

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path

from tests.chaos.locks import opened
from tests.chaos.owners import owners, stopped_without, turns, wait_for_others
from tests.chaos.stage import GivenUpError, NothingToStrikeError, Stage

NAME = "stop publisher before lock"
SECONDS_TO_COPY = 75.0  # a timestamp is renewed each 60 s where no open rollout asks for more
ATTEMPTS = 4
SECONDS_LATER = 8.0  # more than others wait before they take a lease over


def inject(stage: Stage) -> str:
    folder = stage.random.choice(sorted((stage.data / "metadata" / "director").iterdir()))
    with stage.unsupervised():
        before, worker = owners(stage), stage.pid("worker")
        if not any(_caught(stage, folder, worker) for _ in range(ATTEMPTS)):
            raise NothingToStrikeError(f"no publisher of {folder.name} was found waiting for its lock")
        with stage.another_worker() as other:
            seconds = wait_for_others(stage, before)
            time.sleep(SECONDS_LATER)
            os.kill(worker, signal.SIGCONT)
            time.sleep(SECONDS_LATER / 2)
    return f"stopped the publisher of {folder.name} at its lock, {seconds + SECONDS_LATER:.1f} s; {other.pid} went on"


def _caught(stage: Stage, folder: Path, worker: int) -> bool:
    """Stop the worker while it waits for the lock; False where that was not seen in time. It may copy then."""
    lock, copied = folder / ".lock", _changed(folder)
    with lock.open("r+") as held, contextlib.suppress(GivenUpError):
        fcntl.flock(held, fcntl.LOCK_EX)
        stage.wait(lambda: opened(lock, worker), SECONDS_TO_COPY)
        if stopped_without(stage, worker, *turns(stage)):
            if opened(lock, worker):
                return True
            os.kill(worker, signal.SIGCONT)
    stage.wait(lambda: _changed(folder) != copied, SECONDS_TO_COPY, "the copy that was not made")
    return False


def _changed(folder: Path) -> int:
    return (folder / "timestamp.json").stat().st_mtime_ns
