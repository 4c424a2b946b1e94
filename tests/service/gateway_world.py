"""A real gateway over a real SQLite store: HTTP on loopback, hosts that sign, a judge and an engine that move."""

import base64
import gzip
import hmac
import itertools
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.load import load
from rollout.adapters.clock import SystemClock
from rollout.adapters.settings import Endpoint, Settings
from rollout.adapters.signature.signer import public_text, sign
from rollout.adapters.store.core import Store
from rollout.adapters.store.migrate import migrate, open_store
from rollout.adapters.store.schema import metadata
from rollout.operation.newcomer import enlist
from rollout.operation.record import Memory
from rollout.ports.judging import StoredJudgement
from rollout.ports.person import TokenRecord
from rollout.ports.publication import RepositoryRecord
from rollout.ports.release import ReleaseRecord
from rollout.ports.rollout import RingRecord, RolloutRecord
from rollout.ringmap import POINTS, RingMap
from rollout.service.door.patience import Patience
from rollout.service.gateway.app import build
from rollout.service.gateway.desk import Desk, Surroundings
from rollout.service.listen import Server

PRODUCT, OLD, NEW = "sensor", 7, 8
DIGESTS = {OLD: "a" * 64, NEW: "b" * 64}
ATTRIBUTES = {"os_build": 22631, "hardware": "model-x", "form": "laptop"}
MANIFEST = {
    "hardware": ["*"],
    "os_builds": [0, 2**32 - 1],
    "rollback_to": None,
    "builds": [{"name": "drivers/csagent.sys", "timestamp": 1, "size": 2, "checksum": 3}],
}


class World:
    """The gateway and everything around it; made by `world`."""

    def __init__(self, store: Store, desk: Desk, url: str) -> None:
        self.store, self.desk = store, desk
        self.http = httpx.Client(base_url=url, timeout=20, trust_env=False)
        self.keys: dict[str, Ed25519PrivateKey] = {}
        self.boots: dict[str, str] = {}
        self.seqs: dict[str, int] = {}
        self.judgements = itertools.count(1)  # never lower than one that the gateway's lookout may still be reading
        self.collector = self.token("collector")
        self.enroller = self.token("enrol")

    def write(self, work: Callable[[Any], Any]) -> Any:
        return self.store.write(work).result(10)

    def token(self, role: str, uses: int | None = None, ttl: float = 3600) -> str:
        secret = secrets.token_hex(32)
        mac = hmac.digest(b"k" * 32, secret.encode(), "sha256")
        now = time.time()
        record = TokenRecord(secrets.token_hex(8), f"{role}-person", role, mac, uses, now, "admin", now + ttl)
        self.write(lambda tx: tx.people.add_token(record))
        return secret

    def bearer(self, token: str | None = None) -> dict[str, str]:
        return {"authorization": f"Bearer {token or self.collector}"}

    def send(self, path: str, message: Any, fields: Mapping[str, str] | None = None) -> httpx.Response:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        return self.http.post(path, content=body, headers=dict(fields if fields is not None else self.bearer()))

    def signed(self, host: str, path: str, message: Any, **change: Any) -> httpx.Response:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        if change.get("zipped"):
            body = gzip.compress(body)
        key, created = change.get("key", self.keys.get(host)), int(time.time() + change.get("skew", 0))
        fields = sign(key, host, "POST", path, body, created)
        return self.http.post(
            path, content=body, headers=fields | ({"content-encoding": "gzip"} if change.get("zipped") else {})
        )

    def enrol(self, host: str, token: str | None = None, **attributes: Any) -> httpx.Response:
        key = self.keys.setdefault(host, Ed25519PrivateKey.generate())
        body = {"host": host, "public_key": public_text(key), "attributes": ATTRIBUTES | attributes}
        return self.send("/v1/hosts", body, self.bearer(token or self.enroller))

    def fleet(self, count: int, prefix: str = "h") -> list[str]:
        """Enrol in one transaction, and let all beat once."""
        from rollout.ports.host import HostRecord

        names = [f"{prefix}-{number:05}" for number in range(count)]

        def work(tx: Any) -> None:
            for name in names:
                key = self.keys.setdefault(name, Ed25519PrivateKey.generate())
                raw = base64.b64decode(public_text(key))
                tx.hosts.enrol(HostRecord(0, name, "ed25519", raw, ATTRIBUTES, "laptop-22631-model-x", tx.at))

        self.write(work)
        assert self.send("/v1/beats", {"beats": [self.beat(name) for name in names]}).status_code == 202
        return names

    def beat(self, host: str, **change: Any) -> dict[str, Any]:
        self.seqs[host] = self.seqs.get(host, 0) + 1
        beat = {"host": host, "boot": self.boots.get(host, "b1"), "seq": self.seqs[host], "uptime": 100.0}
        return beat | {"running": {PRODUCT: OLD}, "adoption": None, "phase": "idle", "sleeping": False} | change

    def question(self, host: str, **change: Any) -> dict[str, Any]:
        asked = {"host": host, "product": PRODUCT, "release_counter": NEW, "sha256": DIGESTS[NEW], "boot": "b1"}
        return asked | {"director_version": 3} | change

    def ask(self, host: str, **change: Any) -> dict[str, Any]:
        answer = self.send("/v1/adoptions", self.question(host, **change))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def start(self, rollout: str = "r1", *, ring: str = "canary", **change: Any) -> None:
        """A rollout whose first ring admits everybody but the held-out half above the middle point."""
        policy = load(
            {"schema": "rollout.policy/1", "name": "p", "kind": "driver", "judge": {"every": "20s"}}
            | change.pop("policy", {})
        )

        def work(tx: Any) -> None:
            at, number = tx.at, tx.rollouts.next_number()
            for counter, digest in DIGESTS.items():
                if tx.releases.get(PRODUCT, counter) is None:
                    tx.releases.add(ReleaseRecord(PRODUCT, counter, digest, 1, "1", "driver", 0, MANIFEST, {}, at, "p"))
            rings = ((ring, 0, change.pop("upto", POINTS)),)
            tx.publications.add_ring_map(RingMap(PRODUCT, number, f"salt{number}", rings, {}))
            fields = {"state": "running", "counter": NEW, "over": False, "superseded": False} | change
            record = RolloutRecord(
                id=rollout, number=number, product=PRODUCT, policy=policy, policy_digest="0" * 64, state_since=at,
                started_by="p", reason="", started_at=at, map_n=number, salt="x", strata=("laptop-22631-model-x",),
                first_event=tx.events.last(), first_beat=tx.events.last_heard(), revision=0, stop_reason=None,
                completed_clock=None, **fields,
            )  # fmt: skip
            tx.rollouts.create(record, [RingRecord(rollout, 0, ring, "admitting", at, 100, 0, 3)])
            hosts = [record for record, _ in tx.hosts.all()]
            enlist(tx, record, hosts, tx.hosts.running(PRODUCT))
            self.direct(tx, rollout, ring)

        self.write(work)

    def direct(self, tx: Any, rollout: str, ring: str, **change: Any) -> None:
        custom = {"rollout": rollout, "action": "install", "exposure_bp": 10_000, "salt": "x"} | change
        path = f"{PRODUCT}/{NEW}/{DIGESTS[NEW]}.zip"
        name, before = f"director/{ring}", tx.publications.repository(f"director/{ring}")
        revision = before.revision if before else 0
        record = RepositoryRecord(name, revision + 1, {}, tx.at, {}, {path: custom})
        tx.publications.publish(record, {}, revision)

    def judge(self, rollout: str = "r1", **change: Any) -> None:
        """One more judgement, and the engine seen once more."""

        def work(tx: Any) -> None:
            before = tx.judging.judgement(rollout)
            base = before or StoredJudgement(rollout, 0, 0.0, 0, 0, 0, "healthy", 1000, {}, False, {})
            fields = {"counter": next(self.judgements), "event": tx.events.last()} | change
            tx.judging.save(replace(base, **fields))
            for name in ("engine", "lease-loop"):
                tx.beacons.move(name, "w")

        self.write(work)

    def empty(self) -> None:
        """As new: only tokens stay, and the beacons, whose counters never fall."""

        def work(tx: Any) -> None:
            for table in reversed(metadata.sorted_tables):
                if table.name not in {"token", "store_clock", "beacon"}:
                    tx.connection.execute(table.delete())

        self.write(work)
        self.desk.memory, self.seqs = Memory(), {}
        self.desk.freshness._seen.clear()
        self.desk.keys._known.clear()
        self.desk.patience = Patience(self.desk.clock.elapsed)

    def knows(self, rollout: str = "r1") -> None:
        """As `sees`, without waiting for the gateway's own look."""
        for _ in range(2):
            self.judge(rollout)
            now = self.desk.clock.elapsed()
            judged, engine = self.store.read(
                lambda tx: (tx.judging.judgement(rollout).counter, tx.beacons.all()["engine"][2])
            )
            self.desk.freshness.observe(f"judgement/{rollout}", judged, now)
            self.desk.freshness.observe("engine", engine, now)

    def sees(self, rollout: str = "r1", **change: Any) -> None:
        """Let the gateway see judgement and engine move."""
        self.judge(rollout, **change)
        name = f"judgement/{rollout}"
        until(lambda: name in self.desk.freshness._seen and "engine" in self.desk.freshness._seen)
        self.judge(rollout, **change)
        until(lambda: all(age is not None and age < 2.0 for age in (self.age(name), self.age("engine"))))

    def age(self, name: str) -> float | None:
        return self.desk.freshness.age(name, self.desk.clock.elapsed())

    def events(self, *kinds: str) -> list[Any]:
        found = self.store.read(lambda tx: tx.events.after(0))
        return [event for event in found if not kinds or event.kind.value in kinds]

    def presence(self, host: str) -> Any:
        def look(tx: Any) -> Any:
            return tx.hosts.presence([tx.hosts.find(host).key]).get(tx.hosts.find(host).key)

        return self.store.read(look)

    def adoption(self, adoption: str) -> Any:
        return self.store.read(lambda tx: tx.adoptions.get(adoption))

    def tally(self, rollout: str = "r1") -> Any:
        (found,) = self.store.read(lambda tx: tx.adoptions.tallies(rollout)).values()
        return found


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.01)


@contextmanager
def world(folder: Path, clock: Any = None, patience: float | None = None) -> Iterator[World]:
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / "token.key").write_bytes(b"k" * 32)
    settings = Settings(data=folder, gateway=Endpoint("127.0.0.1", 0))
    migrate(settings.database)
    clock = clock or SystemClock()
    store = open_store(settings.database, clock, patience)
    desk = Desk(Surroundings(settings, store, clock))
    server = Server(build(desk), settings.gateway)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        until(lambda: server.started)
        found = World(store, desk, f"http://127.0.0.1:{listener.getsockname()[1]}")
        try:
            yield found
        finally:
            found.http.close()
            server.should_exit = True
            thread.join(10)
            store.close()
