"""The API process: migrates the store, serves until told to stop."""

from typing import Final

import uvicorn

from rollout.adapters import logs
from rollout.adapters.clock import SystemClock
from rollout.adapters.packages import PackageFolder
from rollout.adapters.settings import Settings
from rollout.adapters.store.migrate import migrate, open_store
from rollout.adapters.token import TokenKey
from rollout.service.api.app import create_app
from rollout.service.api.context import Api
from rollout.service.api.engine import TemporalEngine

GRACE_SECONDS: Final = 2  # an open connection may not hold up the end


def main(settings: Settings) -> int:
    """Run the API; 0 after a stop that was asked for, RolloutError where the store or the key cannot be opened."""
    logs.configure()
    migrate(settings.database)
    clock = SystemClock()
    store = open_store(settings.database, clock)
    try:
        key = TokenKey.load(settings.data)
        engine = TemporalEngine(settings.temporal, settings.namespace)
        app = create_app(Api(settings, store, clock, key, PackageFolder(settings.data), engine))
        config = uvicorn.Config(
            app,
            host=settings.api.host,
            port=settings.api.port,
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server = uvicorn.Server(config)
        server.run()
        return 0 if server.started else 1
    finally:
        store.close()
