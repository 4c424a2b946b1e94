"""The reconciler: a workflow runs for every open rollout, and everybody can see that the engine answers.

The store is the truth. Whatever was lost with the engine (its database, a worker, a whole machine), the next
round starts again what the store says is open.
"""

import asyncio
import logging
from dataclasses import dataclass, field

from rollout.decision import FORWARD, State
from rollout.errors import RolloutError, UnreachableError
from rollout.ports.clock import Clock
from rollout.ports.rollout import RolloutRecord
from rollout.ports.store import Store
from rollout.ports.workflows import Workflows

EVERY_SECONDS = 5.0
POLL_SECONDS = 0.1
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
    _states: dict[str, str] = field(default_factory=dict)

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
                if self.answering and (now - looked >= EVERY_SECONDS or seen != version):
                    version = seen
                    looked = await self.round(everything=now - looked >= EVERY_SECONDS, looked=looked)
            except UnreachableError as error:
                self._note(answering=False, why=error.detail)
            except RolloutError as error:
                log.warning("reconciling failed", extra={"error": error.detail})
            except Exception:
                log.exception("reconciling failed unexpectedly; trying again")
            await asyncio.sleep(POLL_SECONDS)

    async def round(self, *, everything: bool, looked: float) -> float:
        """Start what is open and was not seen in this state, or `everything`; when everything was looked at last."""
        opened = await asyncio.to_thread(self.store.read, lambda tx: list(tx.rollouts.opened()))
        for record in opened:
            if everything or self._states.get(record.id) != record.state:
                await self._start(record)
        self._states = {record.id: record.state for record in opened}
        return self.clock.elapsed() if everything else looked

    async def _start(self, record: RolloutRecord) -> None:
        if record.state in FORWARD:
            started = await self.workflows.start_forward(record.id, record.product)
        elif record.state == State.ROLLING_BACK:
            started = await self.workflows.start_back(record.id, record.product)
        else:
            return
        if not started:
            log.info("the running workflow works for another rollout; trying again", extra={"rollout": record.id})

    async def _ask_engine(self) -> None:
        await self.workflows.answers()
        self._note(answering=True, why="")
        await asyncio.wrap_future(self.store.write(lambda tx: tx.beacons.move(ENGINE_BEACON, self.owner)))

    def _note(self, *, answering: bool, why: str) -> None:
        if answering != self.answering:
            log.log(logging.INFO if answering else logging.WARNING, "engine", extra={"answers": answering, "why": why})
        self.answering = answering
