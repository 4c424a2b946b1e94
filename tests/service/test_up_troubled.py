"""`rollout up` where a process was stopped with the store's lock in its hand, and where the disk is full."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from rollout.adapters.engine.pin import cache_home
from rollout.adapters.engine.resolve import find
from rollout.adapters.settings import Settings
from rollout.service.up.prepare import make_folders, prepare
from tests.small_disk import fill, small_disk

pytestmark = pytest.mark.slow

UP = """
import os, sys
from rollout.adapters.settings import Settings
from rollout.service.up.role import commands
from rollout.service.up.run import run_up
lines = {"serve": commands()["serve"], **{name: [sys.executable, "-c", sys.argv[1]] for name in ("gateway", "worker")}}
if sys.argv[1] == "all": lines = commands()
sys.exit(run_up(Settings.from_environment(os.environ), json_output=True, roles=lines))
"""
HOLDER = """
import os, time, urllib.request
from rollout.adapters.store.connection import open_engine, turnstile_for
data, url = os.environ["ROLLOUT_DATA"], os.environ["ROLLOUT_DATABASE"]
while True:
    try:
        urllib.request.urlopen(f"http://{os.environ['ROLLOUT_API']}/healthz").read()
        break
    except OSError:
        time.sleep(0.05)
try:
    os.close(os.open(f"{data}/once", os.O_CREAT | os.O_EXCL))
except FileExistsError:
    time.sleep(1000)
with turnstile_for(url), open_engine(url, writer=True).connect() as connection, connection.begin():
    with open(f"{data}/held", "w") as file:
        file.write(str(os.getpid()))
    time.sleep(1000)
"""


def wait_for(condition, seconds=90.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
    return found


@pytest.fixture
def up():
    if find({**os.environ, "TEMPORAL_ADDRESS": ""}, cache_home()) is None:
        pytest.skip("no engine is installed: `rollout engine install`")
    started = []

    def start(data, program):
        told = {"ROLLOUT_DATA": str(data), "ROLLOUT_API": "127.0.0.1:0", "ROLLOUT_GATEWAY": "127.0.0.1:0"}
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **told}
        with data.with_name("words").open("ab") as words:
            started.append(subprocess.Popen([sys.executable, "-c", UP, program], env=environ, stdout=words))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()


def api(data):
    """A client of the running API, once it answers."""

    def answers():
        with contextlib.suppress(OSError, ValueError, httpx.HTTPError):
            door = json.loads((data / "run" / "up.json").read_text())["api"]
            if httpx.get(f"http://{door}/healthz", trust_env=False).status_code == 200:
                return f"http://{door}"
        return None

    token = {"Authorization": f"Bearer {(data / 'admin.token').read_text().strip()}"}
    return httpx.Client(base_url=wait_for(answers), headers=token, timeout=40, trust_env=False)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells who is stopped")
def test_a_stop_succeeds_although_a_process_was_stopped_with_the_stores_lock_in_its_hand(up, tmp_path):
    data = tmp_path / "data"
    up(data, HOLDER)
    held = data / "held"
    pid = int(wait_for(lambda: held.exists() and held.read_text()))
    os.kill(pid, signal.SIGSTOP)
    with api(data) as client:
        answer = client.post("/api/v1/freeze", json={"reason": "it must stop"})  # 503 after 20 s without a turn
    assert (answer.status_code, answer.json()) == (200, {"frozen": True})


@pytest.fixture
def disk(tmp_path):
    """A disk of 64 MiB, on which a service was made and which then filled up to the last byte."""
    with small_disk(tmp_path / "disk", 64) as folder:
        make_folders(folder / "data")
        prepare(Settings(folder / "data"))
        fill(folder)
        yield folder


def test_a_service_starts_on_a_full_disk_for_whoever_wants_to_stop_something(up, disk):
    data = disk / "data"
    process = up(data, "all")
    with api(data) as client:
        stopped_then_made_room(client, disk, data)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def stopped_then_made_room(client, disk, data):
    answer = client.post("/api/v1/tokens", json={"role": "viewer", "name": "ann"})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:rollout:problem:disk-full")
    assert client.post("/api/v1/freeze", json={"reason": "it must stop"}).json() == {"frozen": True}
    (disk / "filling").unlink()
    wait_for(lambda: client.post("/api/v1/tokens", json={"role": "viewer", "name": "ann"}).status_code == 201)
    wait_for((data / "ballast").exists)
    wait_for(lambda: "api" in (disk / "words").read_text())  # ready
