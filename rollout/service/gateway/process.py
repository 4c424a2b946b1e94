"""The gateway process: opens the store, serves until told to stop."""

import gc
import sys
from collections.abc import Callable

from rollout.adapters import logs
from rollout.adapters.clock import SystemClock
from rollout.adapters.settings import Settings
from rollout.adapters.store.migrate import open_store
from rollout.adapters.trust.development import refuse_development
from rollout.service.gateway.app import build
from rollout.service.gateway.desk import Desk, Surroundings
from rollout.service.listen import listen

# The writer thread asks for the interpreter at every row; the default of 5 ms would make it wait that long each time.
SWITCH_SECONDS = 0.0005
# A batch makes tens of thousands of short-lived objects, none of them in cycles: at the default of 700 the collector
# walks all of them again and again (103,000 hosts/s against 118,000, benchmarks/gateway.py).
COLLECT_AFTER = 200_000
# Hosts ask again by themselves: rather than wait for a store that does not move they are told to come back.
PATIENCE_SECONDS = 5.0


def main(settings: Settings, ready: Callable[[str], None] | None = None) -> int:
    """Run one gateway; 0 after a stop that was asked for. `ready` hears its URL once it listens.

    RolloutError when the store or a key cannot be opened, or development keys lie there without `up`.
    """
    logs.configure("gateway")
    refuse_development(settings)
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(COLLECT_AFTER)
    clock = SystemClock()
    store = open_store(settings.database, clock, PATIENCE_SECONDS)
    try:
        app = build(Desk(Surroundings(settings, store, clock)))
        return listen(app, settings.gateway, ready, loop="uvloop")
    finally:
        store.close()
