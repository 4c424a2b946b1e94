import json
import os
import socket
import sqlite3
from dataclasses import replace

import pytest

from rollout.adapters.engine.lock import take
from rollout.adapters.engine.port import Reservation
from rollout.adapters.settings import Endpoint, Settings
from rollout.adapters.store.migrate import migrate
from rollout.service.doctor import report
from rollout.service.up.address import leave
from rollout.service.up.prepare import make_folders, prepare

DAY = 86_400.0
NOW = 1_795_000_000.0  # November 2026


class At:
    def __init__(self, now):
        self._now = now

    def now(self):
        return self._now

    def elapsed(self):
        return 0.0


@pytest.fixture
def told(tmp_path):
    free = [Reservation.of("127.0.0.1", 0, "test") for _ in range(2)]
    for each in free:
        each.close()
    api, gateway = (Endpoint("127.0.0.1", each.port) for each in free)
    return Settings(tmp_path / "data", api=api, gateway=gateway)


@pytest.fixture
def environ(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return {"PATH": str(tmp_path)}


def examine(told, environ, check, now=4e9):
    answer = report(told, environ, At(now))
    found = {each["check"]: each for each in answer["checks"]}
    assert answer["schema"] == "rollout.doctor/1"
    assert all(each["mend"] for each in found.values() if each["status"] != "ok")
    assert found[check]["status"] in {answer["status"], "ok"} or answer["status"] == "fail"
    return found[check]


def stored(told, role, expires, version=1):
    signed = {"signed": {"_type": role, "version": version, "expires": expires}}
    with sqlite3.connect(told.data / "store.sqlite3") as connection:
        connection.execute(
            "INSERT INTO metadata_file (repository, name, content, revision) VALUES ('image', ?, ?, 1)",
            (f"{version}.{role}.json", json.dumps(signed).encode()),
        )
    connection.close()


@pytest.fixture
def made(told):
    make_folders(told.data)
    prepare(told)
    migrate(told.database)
    return told


def test_a_fresh_machine_lacks_only_the_engine_and_nothing_is_made(told, environ):
    assert examine(told, environ, "engine")["mend"] == "rollout engine install"
    assert examine(told, environ, "store")["status"] == "ok"
    assert not told.data.exists()


def test_an_engine_address_where_nobody_answers_fails(told, environ):
    found = examine(told, {**environ, "TEMPORAL_ADDRESS": str(told.api)}, "engine")
    assert (found["status"], found["mend"]) == ("fail", "unset TEMPORAL_ADDRESS")


def test_a_migrated_store_is_sound(made, environ):
    assert examine(made, environ, "store")["status"] == "ok"


def test_a_store_of_another_schema_version_fails(made, environ):
    with sqlite3.connect(made.data / "store.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from-the-future'")
    connection.close()
    found = examine(made, environ, "store")
    assert found["status"] == "fail"
    assert "from-the-future" in found["detail"]


def test_a_store_that_is_no_database_fails(told, environ):
    make_folders(told.data)
    (told.data / "store.sqlite3").write_bytes(b"no database" * 1000)
    assert "damaged" in examine(told, environ, "store")["detail"]


@pytest.mark.parametrize(
    ("expires", "status"),
    [("2027-02-18T00:00:00Z", "ok"), ("2026-12-12T00:00:00Z", "warn"), ("2026-11-01T00:00:00Z", "fail")],
)
def test_image_metadata_is_warned_of_at_a_third_left(made, environ, expires, status):
    stored(made, "timestamp", "2026-11-01T00:00:00Z", version=1)  # an older version expires unnoticed
    stored(made, "timestamp", expires, version=2)
    stored(made, "root", "2027-11-01T00:00:00Z")
    assert examine(made, environ, "metadata", now=NOW)["status"] == status


def test_a_clock_before_what_was_written_fails(made, environ):
    assert examine(made, environ, "clock", now=NOW - 3650 * DAY)["status"] == "fail"


def test_a_key_that_others_may_read_fails(made, environ):
    key = made.data / "keys" / "token.key"
    key.chmod(0o644)
    found = examine(made, environ, "secrets")
    assert (found["status"], found["mend"]) == ("fail", f"chmod go= {key}")


def test_room_for_stops_that_was_spent_is_warned_of(made, environ):
    assert examine(made, environ, "reserve")["status"] == "ok"
    (made.data / "ballast").unlink()
    assert examine(made, environ, "reserve")["status"] == "warn"


def test_a_taken_port_is_named(told, environ):
    with socket.create_server((told.api.host, told.api.port)):
        assert str(told.api) in examine(told, environ, "service")["detail"]


def test_a_running_service_that_does_not_answer_is_warned_of(made, environ):
    held = take(made.data / "run" / "up.lock")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = Endpoint("127.0.0.1", silent.getsockname()[1])
        leave(replace(made, gateway=address))
        assert "timed out" in examine(made, environ, "service")["detail"], "asked where it listens, not where it might"
    found = examine(made, environ, "service")
    os.close(held)
    assert found["status"] == "warn"
    assert "runs" in found["detail"]
    assert "does not run" in examine(made, environ, "service")["detail"]
