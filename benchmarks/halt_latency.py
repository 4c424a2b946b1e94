"""How long from an accepted crash to the recorded stop, and how long `rollout halt` takes.

Starts the whole service on a temporary folder with HOSTS beating hosts, then runs ROUNDS rollouts one after
another, each of its own product. Their first batch crashes host by host until the judge stops the rollout by
itself. Latency = time of the stop - time of the newest crash before it, both as the store stamped them inside the
transactions. Then `rollout halt` is timed as a whole process, also under ASKERS concurrent adoption questions.

    python benchmarks/halt_latency.py [--hosts 2000] [--rounds 30]
"""

import argparse
import gzip
import http.client
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.profiles import profile
from rollout.adapters.signature.signer import public_text
from rollout.release.build import Draft, build

BATCH = 10_000


class Service:
    """A running `rollout up` and how to speak to it."""

    def __init__(self, folder: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "rollout.service.cli",
            "up",
            "--data",
            str(folder),
            "--heartbeat",
            "1s",
            "--json",
        ]
        command += ["--api", "127.0.0.1:0", "--gateway", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.told = json.loads(self.process.stdout.readline())
        self.admin = Path(self.told["admin_token_file"]).read_text().strip()
        self.database = folder / "store.sqlite3"

    def call(
        self, base: str, method: str, path: str, body: object = None, token: str | None = None, kind: str = "json"
    ):
        url = urlsplit(self.told[base])
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
        headers = {"Authorization": f"Bearer {token or self.admin}"}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["Content-Type"] = "application/zip" if kind == "zip" else "application/json"
            if kind == "gzip":
                data, headers["Content-Encoding"] = gzip.compress(data, 1), "gzip"
        connection.request(method, path, data, headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        if response.status >= 400:
            raise SystemExit(f"{method} {path}: {response.status} {text[:500]!r}")
        return json.loads(text) if text else None

    def rows(self, query: str, *values: object) -> list[tuple]:
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


class Fleet:
    """Hosts that beat through a collector, each second, from a thread."""

    def __init__(self, service: Service, hosts: int) -> None:
        self.service, self.names = service, [f"h-{n:06d}" for n in range(hosts)]
        token = service.call("api", "POST", "/api/v1/tokens", {"role": "enrol", "name": "e", "uses": hosts})["token"]
        self.collector = service.call("api", "POST", "/api/v1/tokens", {"role": "collector", "name": "c"})["token"]
        attributes = {"os_build": 22631, "hardware": "m", "form": "desktop"}
        for name in self.names:
            key = public_text(Ed25519PrivateKey.generate())
            service.call(
                "gateway", "POST", "/v1/hosts", {"host": name, "public_key": key, "attributes": attributes}, token
            )
        self.seq, self.running = 0, {}
        self.crashed: set[str] = set()
        self.ended = threading.Event()
        self.beat()
        threading.Thread(target=self._beat_on, daemon=True).start()

    def _beat_on(self) -> None:
        while not self.ended.wait(1.0):
            self.beat()

    def beat(self) -> None:
        self.seq += 1
        for start in range(0, len(self.names), BATCH):
            beats = [
                {"host": n, "boot": "b", "seq": self.seq, "uptime": float(self.seq), "running": self.running,
                 "adoption": None, "phase": "idle", "sleeping": False, "leaving": False}
                for n in self.names[start : start + BATCH]
            ]  # fmt: skip
            self.service.call("gateway", "POST", "/v1/beats", {"beats": beats}, self.collector, "gzip")

    def run(self, product: str) -> None:
        """From now on every host reports release 1 of this product, and nothing else; returns when all have."""
        self.running = {product: 1}
        before = self.seq
        until(lambda: self.seq >= before + 2)

    def ask(self, name: str, product: str, sha256: str) -> dict:
        question = {"host": name, "product": product, "release_counter": 2, "sha256": sha256, "boot": "b",
                    "director_version": 10**6}  # fmt: skip
        return self.service.call("gateway", "POST", "/v1/adoptions", {"adoptions": [question]}, self.collector)[
            "answers"
        ][0]

    def crash(self, name: str, report: str) -> None:
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        crash = {"host": name, "boot": "b", "report": report, "kind": "bugcheck", "crashed_at": at}
        self.service.call("gateway", "POST", "/v1/crashes", {"crashes": [crash]}, self.collector)


def add_releases(service: Service, product: str) -> str:
    for counter in (1, 2):
        draft = Draft(product=product, release_counter=counter, version=str(counter), kind="content")
        package = build(draft, {"data.bin": f"{product}{counter}".encode()})
        added = service.call("api", "POST", "/api/v1/releases", package, kind="zip")
    return added["sha256"]


def until(condition, seconds: float = 30.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    raise SystemExit("the service did not get there in time; see its logs")


def start(service: Service, product: str) -> str:
    body = {"release": f"{product}/2", "policy": profile("demo").document(), "reason": "benchmark"}
    rollout = service.call("api", "POST", "/api/v1/rollouts", body)["rollout"]
    until(lambda: service.rows("SELECT 1 FROM ring WHERE rollout = ? AND directive_version IS NOT NULL", rollout))
    return rollout


def grants(service: Service, fleet: Fleet, rollout: str, product: str, sha256: str) -> list[str]:
    """Ask for the canary until five are let go; they then apply."""
    listed = service.rows(
        "SELECT host.id FROM member JOIN host ON host.key = member.host WHERE rollout = ? AND member.ring ="
        " (SELECT name FROM ring WHERE rollout = ? AND position = 0)", rollout, rollout)  # fmt: skip
    went: list[str] = []

    def ask() -> bool:
        for (name,) in listed:
            if name not in went and name not in fleet.crashed and fleet.ask(name, product, sha256)["answer"] == "go":
                went.append(name)
            if len(went) >= 5:
                return True
        return False

    until(ask)
    return went


def one_halt(service: Service, fleet: Fleet, product: str) -> float:
    fleet.run(product)
    sha256 = add_releases(service, product)
    rollout = start(service, product)
    for name in grants(service, fleet, rollout, product, sha256):
        time.sleep(0.15)
        fleet.crash(name, f"{rollout}-{name}")
        fleet.crashed.add(name)
    until(
        lambda: service.rows(
            "SELECT 1 FROM rollout WHERE id = ? AND stopped_at IS NOT NULL AND state != 'paused'", rollout
        )
    )
    (stopped,) = service.rows("SELECT at FROM audit WHERE rollout = ? AND kind = 'judge.trip'", rollout)[0]
    (crashed,) = service.rows("SELECT max(at) FROM event WHERE kind = 'crashed' AND at <= ?", stopped)[0]
    late = service.rows("SELECT count(*) FROM adoption WHERE rollout = ? AND granted_at > ?", rollout, crashed)[0][0]
    if late:
        raise SystemExit(f"{late} go after the crossing crash: a defect")
    return stopped - crashed


def halt_command(service: Service, rollout: str) -> float:
    environment = os.environ | {"ROLLOUT_URL": service.told["api"], "ROLLOUT_TOKEN": service.admin}
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "rollout.service.cli", "halt", rollout], env=environment, check=True, capture_output=True
    )
    return time.monotonic() - began


def halt_under_askers(service: Service, fleet: Fleet, product: str, askers: int) -> tuple[float, int]:
    """Time `halt` while many ask; how many go were answered after it returned."""
    fleet.run(product)
    sha256 = add_releases(service, product)
    rollout = start(service, product)
    halted_at: list[float] = []
    late: list[str] = []

    def ask_on(number: int) -> None:
        for name in fleet.names[number::askers]:
            asked = time.monotonic()
            answer = fleet.ask(name, product, sha256)["answer"]
            if answer == "go" and halted_at and asked > halted_at[0]:
                late.append(name)
            if halted_at and asked > halted_at[0] + 0.5:
                return

    threads = [threading.Thread(target=ask_on, args=(number,)) for number in range(askers)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    took = halt_command(service, rollout)
    halted_at.append(time.monotonic())
    for thread in threads:
        thread.join()
    return took, len(late)


def row(name: str, seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    return (
        f"{name:<46} n {len(ordered):>3}   p50 {statistics.median(ordered) * 1000:7.1f} ms   p99 {p99 * 1000:7.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=30)
    told = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="halt-latency-"))
    products = [f"p{n}" for n in range(told.rounds)] + [f"q{n}" for n in range(8)]
    service = Service(folder)
    try:
        fleet = Fleet(service, told.hosts)
        crossed = [one_halt(service, fleet, product) for product in products[: told.rounds]]
        print(row(f"crash accepted to stop recorded, {told.hosts} hosts", crossed), flush=True)
        idle = []
        for product in products[told.rounds : told.rounds + 4]:
            fleet.run(product)
            add_releases(service, product)
            idle += [halt_command(service, rollout) for rollout in [start(service, product)] for _ in range(3)]
        print(row("`rollout halt`, whole process", idle), flush=True)
        under = [halt_under_askers(service, fleet, product, 50) for product in products[told.rounds + 4 :]]
        print(row("`rollout halt` under 50 askers", [took for took, _ in under]), flush=True)
        print(f"go answered after halt returned: {sum(late for _, late in under)}")
        fleet.ended.set()
    finally:
        service.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
