"""The gateway process: opens the store, serves until told to stop."""

import gc
import signal
import sys

import uvicorn

from rollout.adapters import logs
from rollout.adapters.clock import SystemClock
from rollout.adapters.settings import Settings
from rollout.adapters.store.migrate import open_store
from rollout.service.gateway.app import build
from rollout.service.gateway.desk import Desk, Surroundings

GRACE_SECONDS = 2  # an open connection may not hold up the end
BACKLOG = 4096
# The writer thread asks for the interpreter at every row; the default of 5 ms would make it wait that long each time.
SWITCH_SECONDS = 0.0005
# A batch makes tens of thousands of short-lived objects, none of them in cycles: at the default of 700 the collector
# walks all of them again and again (103,000 hosts/s against 118,000, benchmarks/gateway.py).
COLLECT_AFTER = 200_000


def main(settings: Settings) -> int:
    """Run one gateway; 0 after a stop that was asked for.

    RolloutError when the store or a key cannot be opened.
    """
    logs.configure("gateway")
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(COLLECT_AFTER)
    clock = SystemClock()
    store = open_store(settings.database, clock)
    try:
        app = build(Desk(Surroundings(settings, store, clock)))
        config = uvicorn.Config(
            app,
            host=settings.gateway.host,
            port=settings.gateway.port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=75,
        )
        server = uvicorn.Server(config)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _already_stopped)
        server.run()
        return 0 if server.started else 1
    finally:
        store.close()


def _already_stopped(_number: int, _frame: object) -> None:
    """The server stops by its own handlers and raises the signal again at the end; by then all is done."""
