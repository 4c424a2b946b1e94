"""A store that answers in five seconds: another process holds its write lock for so long, again and again."""

import sqlite3
from contextlib import closing

from tests.chaos.surroundings import Stage, last, ready

NAME = "slow store"
HELD_SECONDS = 5.0
TIMES = 3


def inject(stage: Stage) -> str:
    """Hold the lock three times, with a breath in between in which everybody who waits may write."""
    with closing(sqlite3.connect(stage.data / "store.sqlite3", timeout=60, isolation_level=None)) as holder:
        for _ in range(TIMES):
            holder.execute("BEGIN IMMEDIATE")
            last(HELD_SECONDS)
            holder.execute("ROLLBACK")
            last(stage.random.uniform(0.5, 1.5))
    stage.wait(lambda: ready(stage), 120)
    return f"another process held the store's write lock {TIMES} times for {HELD_SECONDS:g} s"
