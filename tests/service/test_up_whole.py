"""`rollout up` with the real engine; the roles are small servers, so that this tells of the supervisor alone."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from rollout.adapters.engine.health import serving
from rollout.adapters.engine.pin import cache_home, pin
from rollout.adapters.engine.resolve import find
from rollout.adapters.engine.server import running

pytestmark = pytest.mark.slow

ROLE = """
import http.server, os, sys
host, port = os.environ[sys.argv[1]].rsplit(":", 1)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.environ["TEMPORAL_ADDRESS"].encode())
http.server.ThreadingHTTPServer((host, int(port)), Answer).serve_forever()
"""
UP = """
import os, sys
from rollout.adapters.settings import Settings
from rollout.errors import RolloutError
from rollout.service.problem import exit_code
from rollout.service.up.run import run_up
roles = {name: [sys.executable, "-c", sys.argv[1], "ROLLOUT_" + at] for name, at in
         (("serve", "API"), ("gateway", "GATEWAY"), ("worker", "WORKER"))}
try:
    code = run_up(Settings.from_environment(os.environ), json_output=True, roles=roles)
except RolloutError as error:
    print(error, file=sys.stderr); code = exit_code(error)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def binary():
    found = find({**os.environ, "TEMPORAL_ADDRESS": ""}, cache_home())
    if found is None:
        pytest.skip("no engine is installed: `rollout engine install`")
    return found.binary


@pytest.fixture
def up(tmp_path, binary):
    started = []

    def start(**environ):
        told = {"ROLLOUT_DATA": str(tmp_path), "ROLLOUT_API": "127.0.0.1:0", "ROLLOUT_GATEWAY": "127.0.0.1:0"}
        process = subprocess.Popen(
            [sys.executable, "-c", UP, ROLE],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **told, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(condition, seconds=90.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
    return found


def pid(folder: Path, name: str) -> int:
    return int((folder / "run" / f"{name}.pid").read_text())


def alive(number: int) -> bool:
    stat = Path(f"/proc/{number}/stat")
    return stat.exists() and stat.read_text().split(") ")[1][0] != "Z"


def test_up_says_where_it_is_mends_what_dies_and_ends_with_zero(up, tmp_path):
    process = up()
    said = json.loads(process.stdout.readline())
    assert said.keys() == {"schema", "api", "gateway", "console", "admin_token_file", "temporal", "data"}
    wait_for(lambda: serving(said["temporal"]))  # the real gateway is ready only when it is seen
    assert httpx.get(said["api"]).text == said["temporal"]
    names = ("temporal", "serve", "gateway", "worker")
    assert pid(tmp_path, "up") == process.pid
    for name in names:
        first = pid(tmp_path, name)
        os.kill(first, signal.SIGKILL)
        began = time.monotonic()
        wait_for(lambda name=name, first=first: pid(tmp_path, name) != first, seconds=3)
        assert time.monotonic() - began < 2
    wait_for(lambda: serving(said["temporal"]))
    wait_for(lambda: answers(said["api"]) and answers(said["gateway"]))
    children = [pid(tmp_path, name) for name in names]
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(12) == 0
    assert time.monotonic() - began < 10
    assert process.stdout.read() == ""
    assert not any(map(alive, children))


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no signal at the parent's death")
def test_a_killed_up_leaves_no_child_and_the_next_one_runs(up, tmp_path):
    first = up()
    first.stdout.readline()
    children = [pid(tmp_path, name) for name in ("temporal", "serve", "gateway", "worker")]
    second = up()
    assert second.wait(60) == 5
    assert "another" in second.stderr.read()
    first.kill()
    first.wait()
    wait_for(lambda: not any(map(alive, children)))
    assert json.loads(up().stdout.readline())["data"] == str(tmp_path)


def test_up_without_its_port_says_so_and_starts_nothing(up, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        process = up(ROLLOUT_API=f"127.0.0.1:{other.getsockname()[1]}")
        assert process.wait(20) == 1
    assert "control API cannot listen" in process.stderr.read()
    assert not (tmp_path / "run" / "temporal.pid").exists()


def test_up_uses_the_engine_it_is_told(up, tmp_path, binary):
    with running(binary, tmp_path / "other") as engine:
        process = up(TEMPORAL_ADDRESS=engine.address)
        assert json.loads(process.stdout.readline())["temporal"] == engine.address
        assert not (tmp_path / "run" / "temporal.pid").exists()
        process.send_signal(signal.SIGINT)
        assert process.wait(12) == 0


def test_a_half_made_or_deleted_database_of_the_engine_costs_only_time(tmp_path, binary):
    database = tmp_path / f"temporal-{pin().server}.sqlite"
    database.write_bytes(b"")  # killed between making the file and its tables
    with running(binary, tmp_path):
        assert database.stat().st_size > 0
    database.unlink()
    with running(binary, tmp_path) as engine:
        described = subprocess.run(
            [binary, "operator", "namespace", "describe", "-n", "rollout", "--address", engine.address],
            capture_output=True,
            text=True,
            check=True,
        )
    assert "720h" in described.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is nobody's")
def test_the_engine_listens_on_one_loopback_address_alone(tmp_path, binary):
    with running(binary, tmp_path) as engine:
        for port in (engine.port, engine.ui_port):
            socket.create_connection(("127.0.0.1", port), 1).close()
            with pytest.raises(ConnectionRefusedError):  # a server bound to every address would answer
                socket.create_connection(("127.0.0.2", port), 1).close()
