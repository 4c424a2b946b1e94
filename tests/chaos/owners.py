"""Who judges, and who keeps others from writing, from the store's rows and the kernel's list."""

import os
import signal
import time
from pathlib import Path

from rollout.adapters.store.transaction import Transaction
from tests.chaos.locks import holder
from tests.chaos.stage import Stage

SECONDS_TO_STOP = 60.0
SECONDS_TO_TAKE_OVER = 300.0  # 5 s, on two loaded cores


def owners(stage: Stage) -> dict[str, tuple[str, int]]:
    """Return owner and epoch of every rollout that is judged."""

    def work(tx: Transaction) -> list[dict[str, tuple[str, int]]]:
        judged = {record.id for record in tx.rollouts.judged()}
        return [{name: row[:2] for name, row in tx.judging.watches().items() if name in judged}]

    records = stage.records()
    try:
        (found,) = stage.wait(lambda: records.try_read(work), 60.0, "a store that can be read")
    finally:
        records.close()
    return found


def wait_for_others(stage: Stage, before: dict[str, tuple[str, int]]) -> float:
    """Wait until whatever was judged has another owner, or is over; how long that took, in seconds."""
    began = time.monotonic()
    stage.wait(lambda: not before.items() & owners(stage).items(), SECONDS_TO_TAKE_OVER, "another worker to take over")
    return time.monotonic() - began


def stop_empty_handed(stage: Stage, role: str) -> int:
    """Stop a process at a moment when it keeps nobody from writing; its id."""

    pid = stage.signal(role, 0)
    locks = (*turns(stage), *stage.data.glob("metadata/**/.lock"))
    stage.wait(lambda: stopped_without(stage, pid, *locks), SECONDS_TO_STOP, f"{role} to have nothing in its hands")
    return pid


def stopped_without(stage: Stage, pid: int, *locks: Path) -> bool:
    """Stop a process; False, and it goes on, where it holds one of these locks."""
    os.kill(pid, signal.SIGSTOP)
    stage.wait(lambda: stands_still(pid), 30.0, f"{pid} to stand still")
    if pid not in {holder(file) for file in locks}:
        return True
    os.kill(pid, signal.SIGCONT)
    return False


def turns(stage: Stage) -> tuple[Path, Path]:
    """Return the files whose locks are the turn to write, and to be next: who stands still with either stops all."""
    return stage.data / "store.sqlite3.inside", stage.data / "store.sqlite3.ahead"


def stands_still(pid: int) -> bool:
    """Whether every thread is stopped; they are one after another."""
    stats = (Path("/proc") / str(pid) / "task").glob("*/stat")
    return all(stat.read_text().rpartition(") ")[2][0] == "T" for stat in stats)
