"""The fleet of a round: a swarm in a thread of its own, outside of the service, that survives whatever befalls it."""

import asyncio
import threading
from collections.abc import Mapping

from rollout.service.demo.operator import crash_module
from rollout.service.demo.scenarios import BASELINES, PRODUCT
from rollout.simulation.swarm.faults import Fault, Kind
from rollout.simulation.swarm.swarm import Settings, Swarm
from tests.chaos.ledger import Ledger

KINDS = ("good", "crashing", "boot-loop", "lethal", "halted")
"""What the candidate is; `halted` is a good one that a person stops and rolls back."""
CRASH_SECONDS = 3.0


class Fleet:
    """Simulated hosts over the real protocol; `ledger` has what the gateway acknowledged."""

    def __init__(self, gateway: str, tokens: Mapping[str, str], hosts: int, seed: int, kind: str, beat: float) -> None:
        self.ledger = Ledger()
        settings = Settings(gateway, tokens["enrol"], tokens["collector"], PRODUCT, BASELINES, crash_module())
        fault = Fault(Kind.GOOD if kind == "halted" else Kind(kind), mean_seconds=CRASH_SECONDS)
        self.swarm = Swarm(settings, hosts, seed, fault, beat, connect=self.ledger.connect)
        self.origins = {name: member.host.running for name, member in self.swarm.members.items()}
        self.error: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._live, name="fleet", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether every host is enrolled and was heard; raises what ended the fleet."""
        if self.error is not None:
            raise self.error
        return self.swarm.ready.is_set()

    def close(self) -> None:
        """End the fleet."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(20)

    def _live(self) -> None:
        try:
            self._loop.run_until_complete(self.swarm.run(self._stopped))
        except BaseException as error:  # told to whoever asks next
            self.error = error
        finally:
            self._loop.close()
