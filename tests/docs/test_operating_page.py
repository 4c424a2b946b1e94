"""docs/operating.md: every state has its line, and the walk-through is run as it is written."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest

from rollout.adapters.clock import SystemClock
from rollout.adapters.engine.pin import cache_home
from rollout.adapters.engine.resolve import find
from rollout.adapters.settings import Settings
from rollout.adapters.store.migrate import open_store
from rollout.audit import first_broken
from rollout.decision import RingState, State
from rollout.service.cli.server import KNOWN
from rollout.service.up.prepare import make_folders, prepare
from tests.docs.pages import DOCS, blocks

HERE = DOCS.parent
WALK_SECONDS = 1200  # a minute on two idle cores; a machine that is busy with other things is no failure


def test_every_state_has_its_line():
    page = (DOCS / "operating.md").read_text()
    assert [state for state in State if f"\n| `{state}` |" not in page] == []
    assert [state for state in RingState if f"`{state}`" not in page] == []


def test_the_configuration_file_that_is_shown_says_what_is_known():
    (text,) = blocks("operating.md", "toml config.toml")
    assert set(tomllib.loads(text)) == KNOWN


def test_a_lost_admin_token_is_made_anew_by_the_next_start(tmp_path):
    settings = Settings(data=tmp_path)
    make_folders(tmp_path)
    prepare(settings)
    first = (tmp_path / "admin.token").read_text()
    (tmp_path / "admin.token").unlink()
    prepare(settings)
    assert (tmp_path / "admin.token").read_text() != first
    with sqlite3.connect(tmp_path / "store.sqlite3") as store:
        names = store.execute("SELECT name, role FROM token").fetchall()
    store.close()
    assert names == [("admin", "admin")] * 2


def test_what_was_backed_up_while_it_ran_is_whole_where_it_is_restored(tmp_path):
    data, backup = tmp_path / "data", tmp_path / "backup"
    make_folders(data)
    prepare(Settings(data=data))
    (script,) = blocks("operating.md", "sh backup")
    store = open_store(Settings(data=data).database, SystemClock())
    store.write(lambda tx: tx.people.record("act")).result(10)
    environ = os.environ | {"DATA": str(data), "BACKUP": str(backup), "PATH": f"{HERE}/.venv/bin:{os.environ['PATH']}"}
    subprocess.run(["bash", "-euc", script], env=environ, check=True)
    store.close()
    prepare(Settings(data=backup))
    assert (backup / "admin.token").read_text() == (data / "admin.token").read_text()
    assert (backup / "keys" / "token.key").read_bytes() == (data / "keys" / "token.key").read_bytes()
    restored = open_store(Settings(data=backup).database, SystemClock())
    links = restored.read(lambda tx: [asdict(row) for row in tx.people.audit()])
    restored.close()
    assert links[-1]["kind"] == "act"
    assert first_broken(links) is None


@pytest.fixture
def service(tmp_path):
    """`./run up` as the page has it, on free ports, for a person whose home is new."""
    if find({**os.environ, "TEMPORAL_ADDRESS": ""}, cache_home()) is None:
        pytest.skip("no engine is installed: `rollout engine install`")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ROLLOUT_", "XDG_"))}
    kept.pop("TEMPORAL_ADDRESS", None)
    environ = kept | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(Path.home() / ".cache")}
    ports = {"ROLLOUT_API": "127.0.0.1:0", "ROLLOUT_GATEWAY": "127.0.0.1:0"}
    (command,) = blocks("operating.md", "sh up")
    with subprocess.Popen(
        ["bash", "-c", f"exec {command.strip()} --json"],
        cwd=HERE,
        env=environ | ports,
        stdout=subprocess.PIPE,
        text=True,
    ) as up:
        try:
            yield json.loads(up.stdout.readline()), environ
        finally:
            up.send_signal(signal.SIGINT)
            assert up.wait(20) == 0


@pytest.mark.slow
@pytest.mark.timeout(WALK_SECONDS + 100)
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_the_first_own_rollout_goes_as_it_is_written(service, tmp_path):
    told, environ = service
    script = "".join(blocks("operating.md", "sh walk"))
    assert script.count("http://127.0.0.1:8471") == 1
    script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + script.replace(
        "http://127.0.0.1:8471", told["gateway"]
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=HERE, env=environ, capture_output=True, text=True, timeout=WALK_SECONDS, check=False
    )
    logs = {path.name: path.read_text() for path in (tmp_path / "first-rollout").glob("h-*.log")}
    said = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{logs}"
    assert done.returncode == 0, said
    first, second = _record(told, "r1"), _record(told, "r2")
    assert (first["state"], sum(ring["confirmed"] for ring in first["rings"])) == ("completed", 3)
    assert (second["state"], [ring["granted"] for ring in second["rings"]]) == ("rolled-back", [1, 0])
    crashed = [log for log in logs.values() if "crashed" in log]
    assert len(crashed) == 1
    assert all("back on" in log.partition("crashed")[2] for log in crashed)
    assert "whole: " in done.stdout


def _record(told, rollout):
    from rollout.service.cli.client import Client
    from rollout.service.cli.server import Server

    token = Path(told["admin_token_file"]).read_text().strip()
    return Client(Server(told["api"], token, "up")).get(f"/rollouts/{rollout}")
