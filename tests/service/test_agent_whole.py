"""Five agents, each a process of its own, in a real rollout over `rollout up`: killed, stopped, and rolled back."""

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
from rollout.host.enrol import Application, enrol
from rollout.release.build import Draft, build
from tests.adapters.host_world import NEW, OLD, PRODUCT, script

pytestmark = pytest.mark.slow

HOSTS = [f"agent-{number}" for number in range(5)]
POLICY = {
    "schema": "rollout.policy/1", "name": "five", "kind": "content", "heartbeat": "1s", "hold_out": "0%",
    "confirm": {"uptime": "1s", "deadline": "10m", "overdue": "9m"},
    "judge": {"every": "250ms"},
    "coverage": {"at_least": "50%", "stale_after": "5m"},
    "watch": "1h", "lease": "60s",
    "rings": [
        {"name": "first", "size": {"hosts": 2}, "bake": {"min": "1s", "host_hours": 0, "max": "30m"},
         "promote": {"margin": None, "early_life": "100%"}},
        {"name": "rest", "size": {"rest": True}, "bake": {"min": "1s", "host_hours": 0, "max": "30m"},
         "promote": {"margin": None, "early_life": None}},
    ],
}  # fmt: skip


@pytest.fixture
def here(tmp_path):
    if find({**os.environ, "TEMPORAL_ADDRESS": ""}, cache_home()) is None:
        pytest.skip("no engine is installed: `rollout engine install`")
    found = Here(tmp_path)
    yield found
    found.close()


class Here:
    """A service and agents as processes; people speak to its API."""

    def __init__(self, folder):
        self.folder, self.children = folder, {}
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("ROLLOUT_")}
        self.environ.pop("TEMPORAL_ADDRESS", None)
        self.installer = script(folder)
        data = ["--data", str(folder / "data"), "--api", "127.0.0.1:0", "--gateway", "127.0.0.1:0"]
        up = self.start("up", "up", *data, "--heartbeat", "1s", "--json", stdout=subprocess.PIPE)
        said = json.loads(up.stdout.readline())
        self.gateway = said["gateway"]
        self.token = Path(said["admin_token_file"]).read_text().strip()
        head = {"authorization": f"Bearer {self.token}"}
        self.api = httpx.Client(base_url=f"{said['api']}/api/v1", headers=head, timeout=60, trust_env=False)

    def start(self, name, *arguments, **streams):
        command = [sys.executable, "-m", "rollout.service.cli", *arguments]
        with (self.folder / f"{name}.err").open("a") as words:
            child = subprocess.Popen(
                command, env=self.environ, stderr=words, text=True, **{"stdout": subprocess.DEVNULL} | streams
            )
        self.children[name] = child
        return child

    def post(self, path, **body):
        answer = self.api.post(path, **body)
        assert answer.is_success, answer.text
        return answer.json()

    def state(self, rollout):
        return self.api.get(f"/rollouts/{rollout}").json()["state"]

    def all_say(self, counter):
        hosts = self.api.get("/hosts").json()["hosts"]
        return len(hosts) == len(HOSTS) and all(host["running"] == {PRODUCT: counter} for host in hosts)

    def release(self, counter):
        package = build(Draft(PRODUCT, counter, f"{counter}.0", "content"), {"content.bin": b"content %d" % counter})
        self.post("/releases", content=package, headers={"content-type": "application/zip"})

    def enrol(self, host):
        (self.folder / f"root-{host}").mkdir()
        (self.folder / f"root-{host}" / "running").write_text(f"{OLD}\n")
        told = {"os_build": 22631, "hardware": "m", "form": "desktop"}
        asked = Application(host, self.gateway, self.token, told, installed={PRODUCT: OLD})
        enrol(self.folder / f"state-{host}", asked)

    def agent(self, host):
        told = ("--installer", f"{self.installer} {self.folder / f'root-{host}'}", "--poll", "2s", "--settle", "1s")
        self.start(host, "host", "run", "--state", str(self.folder / f"state-{host}"), *told)

    def runs(self, host):
        return int((self.folder / f"root-{host}" / "running").read_text())

    def loads(self, host):
        return (self.folder / f"root-{host}" / "log").read_text().splitlines().count(f"load {NEW}")

    def until(self, holds, what, seconds=150):
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                words = {name: (self.folder / f"{name}.err").read_text()[-600:] for name in self.children}
                pytest.fail(f"{what} never held: {words}")
            time.sleep(0.2)

    def close(self):
        self.api.close()
        for child in reversed(self.children.values()):
            child.send_signal(signal.SIGTERM)
        for child in self.children.values():
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdout is not None:
                child.stdout.close()


@pytest.mark.timeout(900)  # half a minute on an idle machine; the conditions have their own limits
def test_five_agents_adopt_one_is_killed_one_is_away_and_all_come_back(here):
    for counter in (OLD, NEW):
        here.release(counter)
    for host in HOSTS:
        here.enrol(host)
        here.agent(host)
    here.until(lambda: here.all_say(OLD), "hearing all")
    asked = {"release": f"{PRODUCT}/{NEW}", "policy": POLICY, "reason": "five agents"}
    rollout = here.post("/rollouts", json=asked)["rollout"]
    here.until(lambda: any(here.runs(host) == NEW for host in HOSTS), "the first adoption")
    victim = next(host for host in HOSTS if here.runs(host) == NEW)
    here.children[victim].kill()
    here.children[victim].wait()
    here.agent(victim)
    here.until(lambda: here.all_say(NEW), "five adoptions")
    assert [here.loads(host) for host in HOSTS] == [1] * 5, "the killed one too loaded it once, on one adoption"
    away = next(host for host in HOSTS if host != victim)
    here.children[away].kill()
    here.children[away].wait()
    here.post(f"/rollouts/{rollout}/rollback", json={"reason": "put it back"})
    here.until(lambda: all(here.runs(host) == OLD for host in HOSTS if host != away), "the way back")
    assert here.runs(away) == NEW
    here.agent(away)
    here.until(lambda: here.state(rollout) == "rolled-back", "rolled-back")
    here.until(lambda: here.runs(away) == OLD, "the late one's way back")
    here.until(lambda: here.all_say(OLD), "hearing it")
