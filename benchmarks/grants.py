"""Adoptions granted and confirmed a second through one gateway process, with durable commits (synchronous=FULL).

Run: `.venv/bin/python benchmarks/grants.py [--hosts 20000] [--signers 4000]`

A real gateway process, pinned to one core, on a new SQLite store in which a wide-open rollout admits everybody. A
client on another core asks for hosts in random order: in a collector's batches of 2 000 questions, then each for
itself with a signed request, over 32 connections. Then a collector's beats prove what was granted, and confirm it.
The limits of the store alone, in one process on the same core in the same run, stand beside. Every answer is
checked against the store's own rows at the end.
"""

import argparse
import gzip
import json
import os
import random
import secrets
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.gateway import TOKEN, drive, prepare, request, serving
from policies.load import load
from rollout.adapters.clock import SystemClock
from rollout.adapters.settings import Settings
from rollout.adapters.signature.signer import sign
from rollout.adapters.store.core import Store
from rollout.adapters.store.migrate import open_store
from rollout.operation import admit, record
from rollout.operation.freshness import Freshness
from rollout.operation.standing import ENGINE, Watching, judgement_name
from rollout.ports.judging import StoredJudgement
from rollout.ports.publication import RepositoryRecord
from rollout.ports.release import ReleaseRecord
from rollout.ports.rollout import Member, RingRecord, RolloutRecord
from rollout.ringmap import POINTS, RingMap
from rollout.service.gateway.desk import BEATS_PER_COMMIT, QUESTIONS_PER_COMMIT
from rollout.telemetry import Beat, Presence

ROWS, R, PRODUCT, OLD, NEW, SHA256, BOOT = 2_000, "r1", "sensor", 7, 8, "b" * 64, "5f0c2a9e-boot"
FIELDS = {"authorization": f"Bearer {TOKEN}", "content-encoding": "gzip"}
MANIFEST = {"hardware": ["*"], "os_builds": [0, 2**32 - 1], "rollback_to": None, "builds": []}
POLICY = load(
    {"schema": "rollout.policy/1", "name": "p", "kind": "content", "judge": {"every": "20s"},
     "confirm": {"uptime": "60s", "reboots": 0, "deadline": "30m"}}
)  # fmt: skip


def open_wide(store: Store) -> None:
    """Everybody has spoken; a rollout with one ring for all, and a window for all of them."""

    def work(tx) -> None:
        at = tx.at
        for counter, digest in {OLD: "a" * 64, NEW: SHA256}.items():
            tx.releases.add(ReleaseRecord(PRODUCT, counter, digest, 1, "1", "content", 0, MANIFEST, {}, at, "p"))
        tx.publications.add_ring_map(RingMap(PRODUCT, 1, "salt", (("canary", 0, POINTS),), {}))
        keys = [record.key for record, _ in tx.hosts.all()]
        running = json.dumps({PRODUCT: OLD}, separators=(",", ":"))
        tx.hosts.save_presence([Presence(key, 1, BOOT, 60.0, "idle", 0, running, None, at) for key in keys])
        rollout = RolloutRecord(
            R, 1, PRODUCT, NEW, POLICY, "d", "running", at, False, "ann", "try", at, 1, "x", ("s",),
            0, 0, 0, None, None, False,
        )  # fmt: skip
        tx.rollouts.create(rollout, [RingRecord(R, 0, "canary", "admitting", at, len(keys), 0, 3)])
        tx.rollouts.enlist(R, [Member(key, "canary", "s", OLD, True, True) for key in keys])
        custom = {"rollout": R, "action": "install", "exposure_bp": 10_000, "salt": "x"}
        listed = {f"{PRODUCT}/{NEW}/{SHA256}.zip": custom}
        tx.publications.publish(RepositoryRecord("director/canary", 1, {}, at, {}, listed), {}, 0)
        tx.judging.save(judgement(1))
        tx.beacons.move(ENGINE, "w")

    store.write(work).result()


def judgement(counter: int) -> StoredJudgement:
    return StoredJudgement(R, counter, 0.0, 0, 0, 0, "healthy", 10**7, {"s": 10**7}, False, {})


@contextmanager
def judged(settings: Settings) -> Iterator[Store]:
    """A judgement and an engine that move, as a worker's do."""
    store, ended = open_store(settings.database, SystemClock()), threading.Event()

    def move() -> None:
        counter = 1
        while not ended.wait(1.0):
            counter += 1
            store.write(lambda tx, at=counter: (tx.judging.save(judgement(at)), tx.beacons.move(ENGINE, "w"))).result()

    mover = threading.Thread(target=move)
    mover.start()
    try:
        yield store
    finally:
        ended.set()
        mover.join()
        store.close()


def question(host: str) -> dict:
    return {"host": host, "product": PRODUCT, "release_counter": NEW, "sha256": SHA256, "boot": BOOT,
            "director_version": 3}  # fmt: skip


def beat(host: str, adoption: str, seq: int) -> dict:
    return {"host": host, "boot": BOOT, "seq": seq, "uptime": 60.0 * seq, "running": {PRODUCT: NEW},
            "adoption": adoption, "phase": "applied", "sleeping": False}  # fmt: skip


def batches(path: str, field: str, rows: Sequence[dict]) -> list[bytes]:
    parts = (rows[start : start + ROWS] for start in range(0, len(rows), ROWS))
    return [request(path, gzip.compress(json.dumps({field: part}).encode(), 1), FIELDS) for part in parts]


def adoptions(store: Store) -> dict[str, str]:
    """Adoption by host, in grant order."""

    def look(tx):
        granted = tx.adoptions.of_rollout(R)
        names = tx.hosts.names([each.host for each in granted])
        return {names[each.host]: each.id for each in granted}

    return store.read(look)


def limits(settings: Settings, hosts: Sequence[str]) -> tuple[float, float, float]:
    """Grants, proving beats and confirming beats a second in the store alone."""
    clock, memory, fresh = SystemClock(), record.Memory(), Freshness()
    store = open_store(settings.database, clock)
    for counter in (0, 1):  # seen to move
        fresh.observe(ENGINE, counter, clock.elapsed())
        fresh.observe(judgement_name(R), counter, clock.elapsed())
    watching = Watching(fresh, clock.elapsed, lambda: secrets.token_hex(16))

    def run(rows: Sequence, size: int, work: Callable) -> float:
        begun = time.perf_counter()
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            store.write(lambda tx, part=part: work(tx, part)).result()
        return len(rows) / (time.perf_counter() - begun)

    def beats(tx, part: Sequence) -> None:
        record.beats(tx, part, memory, 60.0)

    asked = [admit.Row(admit.Question(**question(host))) for host in hosts]
    grants = run(asked, QUESTIONS_PER_COMMIT, lambda tx, part: admit.admit(tx, part, memory, watching))
    granted = adoptions(store).items()
    assert len(granted) == len(hosts)
    proofs = [[record.Row(Beat(**beat(host, a, seq))) for host, a in granted] for seq in (2, 3)]
    proving, confirming = (run(rows, BEATS_PER_COMMIT, beats) for rows in proofs)
    store.close()
    return grants, proving, confirming


def counted(settings: Settings) -> tuple[int, int, int, int]:
    """(granted, confirmed) by the adoptions' own rows, and (granted, confirmed) events."""
    with sqlite3.connect(settings.database.removeprefix("sqlite:///")) as rows:
        states = dict(rows.execute("SELECT state, count(*) FROM adoption GROUP BY state"))
        events = dict(rows.execute("SELECT kind, count(*) FROM event GROUP BY kind"))
    return sum(states.values()), states.get("confirmed", 0), events.get("granted", 0), events.get("confirmed", 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=20_000)
    parser.add_argument("--signers", type=int, default=4_000)
    asked = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    server_core, client_core = cores[0], cores[-1]
    hosts = [f"h-{number:08}" for number in range(asked.hosts)]
    random.Random(7).shuffle(hosts)
    with tempfile.TemporaryDirectory() as folder:
        settings, _ = prepare(Path(folder) / "limits", asked.hosts, 1)
        store = open_store(settings.database, SystemClock())
        open_wide(store)
        store.close()
        os.sched_setaffinity(0, {server_core})
        alone = limits(settings, hosts)
        os.sched_setaffinity(0, set(cores))
        settings, keys = prepare(Path(folder) / "data", asked.hosts, asked.signers)
        port = settings.gateway.port
        with judged(settings) as store:
            open_wide(store)
            with serving(settings, server_core) as server:
                time.sleep(3)  # judgement and engine are seen to move
                sent = batches("/v1/adoptions", "adoptions", [question(host) for host in hosts])
                grants = drive(port, [sent], 1e9, client_core=client_core, status=200) * ROWS
                signed, now, path = [], int(time.time()), "/v1/adoptions"
                for number, key in enumerate(keys):
                    host = f"s-{number:08}"
                    body = json.dumps(question(host)).encode()
                    signed.append(request(path, body, sign(key, host, "POST", path, body, now)))
                lanes = [signed[lane::32] for lane in range(32)]
                singles = drive(port, lanes, 1e9, client_core=client_core, status=200)
                granted = adoptions(store)
                proving, confirming = (
                    drive(port, [batches("/v1/beats", "beats", rows)], 1e9, client_core=client_core) * ROWS
                    for rows in ([beat(host, a, seq) for host, a in granted.items()] for seq in (2, 3))
                )
        found = counted(settings)
    assert set(found) == {len(granted)}
    print(f"gateway ended with         {server.returncode:10}; {found[0]:,} granted and confirmed, each once")
    print(f"granting alone             {alone[0]:10,.0f} hosts/s")
    print(f"proving, confirming alone  {alone[1]:10,.0f}, {alone[2]:,.0f} hosts/s")
    print(f"grants, batches of {ROWS}    {grants:10,.0f} hosts/s")
    print(f"grants, signed requests    {singles:10,.0f} hosts/s (1 000 000 within 30 min: 556)")
    print(f"proving beats, batches     {proving:10,.0f} hosts/s")
    print(f"confirming beats, batches  {confirming:10,.0f} hosts/s")


if __name__ == "__main__":
    main()
