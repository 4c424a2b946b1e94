"""The two processes that listen: what they refuse before, and how they end."""

import json
import os
import secrets
import signal
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
@pytest.mark.parametrize(
    ("role", "number"), [("serve", signal.SIGTERM), ("gateway", signal.SIGINT), ("worker", signal.SIGTERM)]
)
def test_a_role_says_in_one_line_where_it_listens_and_a_signal_ends_it_with_0(role, number, tmp_path):
    free = Endpoint("127.0.0.1", 0)
    settings = Settings(tmp_path, api=free, gateway=free, worker=free, temporal="127.0.0.1:1")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "token.key").write_bytes(secrets.token_bytes(32))
    (tmp_path / "keys" / "token.key").chmod(0o600)
    migrate(settings.database)
    command = [sys.executable, "-m", "rollout.service.cli", role, "--json"]
    environ = {**os.environ, **settings.to_environment()}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = json.loads(process.stdout.readline())
            assert (said["schema"], said["role"], set(said)) == ("rollout.role/1", role, {"schema", "role", "url"})
            until(lambda: _answers(said["url"]), 60)
            assert httpx.get(f"{said['url']}/metrics", trust_env=False).status_code == 200
            process.send_signal(number)
            assert (process.stdout.read(), process.wait(10)) == ("", 0)
        finally:
            process.kill()
    assert not (tmp_path / "store.sqlite3-wal").exists()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
