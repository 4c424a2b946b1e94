"""The reconciler: a workflow runs for every open rollout, and everybody can see that the engine answers.

The store is the truth. Whatever was lost with the engine (its database, a worker, a whole machine), the next
round starts again what the store says is open.
"""

import asyncio
import logging
from dataclasses import dataclass, field

from rollout.decision import OPEN, State
from rollout.errors import RolloutError, UnreachableError
from rollout.ports.clock import Clock
from rollout.ports.rollout import RolloutRecord
from rollout.ports.store import Store
from rollout.ports.workflows import Workflows

EVERY_SECONDS = 5.0
POLL_SECONDS = 0.1
AGAIN_SECONDS = 0.5  # the old workflow of the product has only just ended, or is about to
ENGINE_SECONDS = 1.0  # how often the engine is asked; admission needs an answer within 15 s
ENGINE_BEACON = "engine"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Reconciler:
    """One worker's reconciler; `owner` names it in the engine's beacon."""

    store: Store
    clock: Clock
    workflows: Workflows
    owner: str
    answering: bool = False
    starts: int = 0  # workflows that were asked for, running ones included
    _states: dict[str, str] = field(default_factory=dict)
    _refused: float | None = None  # when a start was refused last, on our own clock

    async def run(self, stop: asyncio.Event) -> None:
        """Reconcile until `stop`: each 5 s, and at once when a rollout's state changed."""
        version, looked, asked = -1, float("-inf"), float("-inf")
        while not stop.is_set():
            now = self.clock.elapsed()
            try:
                if now - asked >= ENGINE_SECONDS:
                    asked = now
                    await self._ask_engine()
                seen = await asyncio.to_thread(self.store.version)
                everything = now - looked >= EVERY_SECONDS
                if self.answering and (everything or seen != version or self._again(now)):
                    version = seen
                    await self.round(everything=everything)
                    looked = now if everything else looked
            except UnreachableError as error:
                self._note(answering=False, why=error.detail)
            except RolloutError as error:
                log.warning("reconciling failed", extra={"error": error.detail})
            except Exception:
                log.exception("reconciling failed unexpectedly; trying again")
            await asyncio.sleep(POLL_SECONDS)

    async def round(self, *, everything: bool) -> None:
        """Start what is open and was not started in this state, or `everything`."""
        opened = await asyncio.to_thread(self.store.read, lambda tx: list(tx.rollouts.opened()))
        self._refused = None
        started = {}
        for record in opened:
            if (not everything and self._states.get(record.id) == record.state) or await self._start(record):
                started[record.id] = record.state
        self._states = started

    def _again(self, now: float) -> bool:
        return self._refused is not None and now - self._refused >= AGAIN_SECONDS

    async def _start(self, record: RolloutRecord) -> bool:
        """Run what the state asks for; False where the one that runs works for another rollout."""
        start = self.workflows.start_back if record.state == State.ROLLING_BACK else self.workflows.start_forward
        if record.state not in OPEN:
            return True
        self.starts += 1
        if await start(record.id, record.product):
            return True
        self._refused = self.clock.elapsed()
        log.info("the running workflow works for another rollout; trying again", extra={"rollout": record.id})
        return False

    async def _ask_engine(self) -> None:
        await self.workflows.answers()
        self._note(answering=True, why="")
        await asyncio.wrap_future(self.store.write(lambda tx: tx.beacons.move(ENGINE_BEACON, self.owner)))

    def _note(self, *, answering: bool, why: str) -> None:
        if answering != self.answering:
            log.log(logging.INFO if answering else logging.WARNING, "engine", extra={"answers": answering, "why": why})
        self.answering = answering
