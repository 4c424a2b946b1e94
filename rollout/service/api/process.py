"""The API process: migrates the store, serves until told to stop."""

from collections.abc import Callable

from rollout.adapters import logs
from rollout.adapters.clock import SystemClock
from rollout.adapters.packages import PackageFolder
from rollout.adapters.settings import Settings
from rollout.adapters.store.migrate import migrate, open_store
from rollout.adapters.token import TokenKey
from rollout.adapters.trust.development import refuse_development
from rollout.service.api.app import create_app
from rollout.service.api.context import Api
from rollout.service.api.engine import TemporalEngine
from rollout.service.listen import listen

PATIENCE_SECONDS = 20.0  # a halt waits for its turn as long as the command line waits for an answer, less a margin


def main(settings: Settings, ready: Callable[[str], None] | None = None) -> int:
    """Run the API; 0 after a stop that was asked for. `ready` hears its URL once it listens.

    RolloutError where the store or the key cannot be opened, or development keys lie there without `up`.
    """
    logs.configure()
    refuse_development(settings)
    migrate(settings.database)
    clock = SystemClock()
    store = open_store(settings.database, clock, PATIENCE_SECONDS)
    try:
        key = TokenKey.load(settings.data)
        engine = TemporalEngine(settings.temporal, settings.namespace)
        app = create_app(Api(settings, store, clock, key, PackageFolder(settings.data), engine))
        return listen(app, settings.api, ready)
    finally:
        store.close()
