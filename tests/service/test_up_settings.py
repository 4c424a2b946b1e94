from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.adapters.settings import Endpoint, Settings
from rollout.errors import InvalidError

EVERYONE = "0.0.0.0"  # noqa: S104 - nothing is bound here
HOSTS = st.sampled_from(["127.0.0.1", EVERYONE, "::1", "::", "rollout.example"])
ENDPOINTS = st.builds(Endpoint, HOSTS, st.integers(0, 65535))


@settings(max_examples=50)
@given(
    st.builds(
        Settings,
        data=st.just(Path("/var/lib/rollout")),
        api=ENDPOINTS,
        gateway=ENDPOINTS,
        worker=ENDPOINTS,
        database=st.sampled_from(["", "postgresql+psycopg://u:secret@db/x"]),
        temporal=st.none() | st.just("engine:7233"),
        temporal_ui=st.none() | st.just("http://127.0.0.1:8233"),
        heartbeat_seconds=st.floats(0.001, 86400),
        supervised=st.booleans(),
    )
)
def test_what_up_tells_its_children_is_what_they_read(told):
    assert Settings.from_environment(told.to_environment()) == told


def test_the_defaults_are_those_of_the_contract():
    found = Settings.from_environment({"ROLLOUT_DATA": "/data"})
    assert (str(found.api), str(found.gateway)) == ("127.0.0.1:8470", "127.0.0.1:8471")
    assert found.database == "sqlite:////data/store.sqlite3"
    assert found.heartbeat_seconds == 60
    assert not found.supervised


def test_a_database_password_is_never_shown():
    assert "secret" not in repr(Settings(Path("/data"), database="postgresql://u:secret@db/x"))


@pytest.mark.parametrize("text", ["8470", "host", "host:", ":1", "host:-1", "host:65536", "::1:80", "[::1]", "host:٣"])
def test_an_address_that_is_none_is_refused_by_the_name_of_its_variable(text):
    with pytest.raises(InvalidError, match="ROLLOUT_API"):
        Settings.from_environment({"ROLLOUT_API": text})


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_a_heartbeat_that_is_none_is_refused(text):
    with pytest.raises(InvalidError, match=r"(?i)heartbeat"):
        Settings.from_environment({"ROLLOUT_HEARTBEAT": text})


def test_an_address_for_everyone_is_reached_over_loopback():
    assert Endpoint(EVERYONE, 80).url == "http://127.0.0.1:80"
    assert Endpoint("::", 80).url == "http://[::1]:80"
