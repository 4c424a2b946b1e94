"""The lookout: sees which counters move, and moves the gateway's own."""

import asyncio
import logging
import socket
from typing import Final

from rollout.operation.standing import ENGINE, judgement_name
from rollout.ports.store import Transaction
from rollout.service.gateway.desk import Desk

LOOK_SECONDS: Final = 0.25
ALIVE_SECONDS: Final = 1.0
LEASE_LOOP: Final = "lease-loop"
OLDEST_SECONDS: Final = 15.0
"""Of engine and lease loop, for /readyz."""
WRITABLE_SECONDS: Final = 5.0
_LOG = logging.getLogger("rollout.gateway")


def _counters(tx: Transaction) -> dict[str, int]:
    """Counters that admission and /readyz depend on."""
    found = {name: counter for name, (_, _, counter) in tx.beacons.all().items()}
    for rollout in tx.rollouts.judged():
        judged = tx.judging.judgement(rollout.id)
        if judged is not None:
            found[judgement_name(rollout.id)] = judged.counter
    return found


class Lookout:
    """Two loops beside the requests."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._written: float | None = None
        self._name = f"{socket.gethostname()[:40]}-{desk.settings.gateway.port}"

    async def run(self) -> None:
        """Look and sign on, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look())
            group.create_task(self._sign_on())

    def missing(self) -> list[str]:
        """What /readyz misses, as sentences."""
        now = self._desk.clock.elapsed()
        found = []
        if self._written is None or now - self._written > WRITABLE_SECONDS:
            found.append("the store was not writable in the last 5 s")
        for name, what in ((ENGINE, "the engine was not seen"), (LEASE_LOOP, "the lease loop was not seen to run")):
            age = self._desk.freshness.age(name, now)
            if age is None or age > OLDEST_SECONDS:
                found.append(f"{what} in the last 15 s")
        return found

    async def _look(self) -> None:
        desk = self._desk
        while True:
            before = desk.clock.elapsed()
            try:
                counters = await asyncio.to_thread(desk.store.read, _counters)
            except Exception as error:  # noqa: BLE001 - a blind lookout answers wait; a dead one would for ever
                _LOG.warning("the store could not be read: %s", error)
            else:
                for name, counter in counters.items():
                    desk.freshness.observe(name, counter, before)
                desk.freshness.forget(set(counters), before)
                age = desk.freshness.age(ENGINE, desk.clock.elapsed())
                desk.metrics.engine_age.set(-1 if age is None else age)
            await asyncio.sleep(LOOK_SECONDS)

    async def _sign_on(self) -> None:
        """Say that this gateway takes beats; while it sends them away it says nothing."""
        desk = self._desk
        while True:
            if not desk.is_full:
                try:
                    future = desk.store.write(lambda tx: tx.beacons.move(f"gateway/{self._name}", self._name))
                    await asyncio.wrap_future(future)
                    self._written = desk.clock.elapsed()
                except Exception as error:  # noqa: BLE001 - as above
                    _LOG.warning("the store could not be written: %s", error)
            await asyncio.sleep(ALIVE_SECONDS)
