"""The two processes that listen: what they refuse before, and how they end."""

import os
import secrets
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from rollout.adapters.settings import Endpoint, Settings
from rollout.adapters.store.migrate import migrate
from rollout.adapters.trust.development import ensure_development_keys
from rollout.errors import InvalidError
from rollout.service.api import process as api
from rollout.service.gateway import process as gateway
from tests.service.gateway_world import until


@pytest.mark.parametrize("role", [api, gateway])
def test_development_keys_are_refused_unless_up_started_it(role, tmp_path):
    ensure_development_keys(tmp_path / "keys")
    with pytest.raises(InvalidError, match="development keys"):
        role.main(Settings(tmp_path))
    assert not (tmp_path / "store.sqlite3").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("role", "number"), [("serve", signal.SIGTERM), ("gateway", signal.SIGINT)])
def test_a_signal_ends_it_with_0_and_a_closed_store(role, number, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as found:
        endpoint = Endpoint("127.0.0.1", found.getsockname()[1])
    settings = Settings(tmp_path, api=endpoint, gateway=endpoint, temporal="127.0.0.1:1")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "token.key").write_bytes(secrets.token_bytes(32))
    (tmp_path / "keys" / "token.key").chmod(0o600)
    migrate(settings.database)
    command = [sys.executable, "-m", "rollout.service.cli", role]
    with subprocess.Popen(command, env={**os.environ, **settings.to_environment()}) as process:
        try:
            until(lambda: _answers(endpoint.url), 60)
            process.send_signal(number)
            assert process.wait(10) == 0
        finally:
            process.kill()
    assert not (tmp_path / "store.sqlite3-wal").exists()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
