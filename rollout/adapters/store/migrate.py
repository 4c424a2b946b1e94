"""Schema versions: only `up` and `serve` migrate; everybody else refuses a version they do not know.

The schema package says what the tables are, `migrations/versions` how a database gets there; a test compares
them. After a change of the schema write the next version, and read it, with
`.venv/bin/python -m rollout.adapters.store.migrations what changed`.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from rollout.adapters.store.connection import open_engine, turnstile_for
from rollout.adapters.store.core import Store
from rollout.errors import DamagedError, SurroundingsError
from rollout.ports.clock import Clock

_SCRIPTS = Path(__file__).parent / "migrations"


def alembic_config() -> Config:
    """Alembic's settings; its `connection` attribute is the caller's to set."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


def known_version() -> str:
    """The schema version this program was written for."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head() or ""


def stored_version(url: str) -> str | None:
    """The schema version of a database, None if it has none yet."""
    engine = open_engine(url, writer=False)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except DBAPIError as error:
        raise SurroundingsError(f"the store does not open ({error.orig}); check its path and permissions") from error
    finally:
        engine.dispose()


def migrate(url: str) -> None:
    """Bring a database to the known version; one process at a time."""
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    engine = open_engine(url, writer=True)
    turnstile = turnstile_for(url)
    try:
        with turnstile, engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
            connection.rollback()
            if found is not None and found not in known:
                raise _unknown(found)
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        raise SurroundingsError(f"the store does not open ({error.orig}); check its path and permissions") from error
    finally:
        turnstile.close()
        engine.dispose()


def open_store(url: str, clock: Clock, patience: float | None = None) -> Store:
    """The store, if its schema version is the known one; `patience` as of `Store`."""
    found = stored_version(url)
    if found != known_version():
        raise _unknown(found)
    return Store(url, clock, patience)


def _unknown(found: str | None) -> DamagedError:
    seen = "has no tables yet" if found is None else f"is at schema version {found}"
    return DamagedError(
        f"the store {seen}, this program knows {known_version()}; start `rollout up` or `rollout serve` of the newest "
        "program first: only these migrate",
        slug="schema-version",
    )
