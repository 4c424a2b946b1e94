"""Hosts a second through one gateway process, with durable commits on SQLite (synchronous=FULL).

Run: `python benchmarks/gateway.py [--seconds 8] [--hosts 200000] [--scattered] [--connections 2]`

A real gateway process, pinned to one core, on a new store. A client process on another core sends gzipped
batches of 10 000 beats, then signed single beats, both built before, through raw sockets. The limits of
decoding alone and of storing alone, in one process on the same core in the same run, stand beside.
"""

import argparse
import base64
import gzip
import hmac
import json
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rollout.adapters.clock import SystemClock
from rollout.adapters.settings import Endpoint, Settings
from rollout.adapters.signature.signer import public_text, sign
from rollout.adapters.store.migrate import migrate, open_store
from rollout.operation import record
from rollout.ports.host import HostRecord
from rollout.ports.person import TokenRecord
from rollout.service.gateway import body as bodies
from rollout.service.gateway import messages

ROWS, TOKEN = 10_000, "benchmark"
START = """
import sys
from pathlib import Path
from rollout.adapters.settings import Endpoint, Settings
from rollout.service.gateway.process import main
sys.exit(main(Settings(data=Path(sys.argv[1]), gateway=Endpoint("127.0.0.1", int(sys.argv[2])))))
"""


def prepare(folder: Path, hosts: int, signers: int) -> tuple[Settings, list[Ed25519PrivateKey]]:
    """A new store with a collector's token, `hosts` that it speaks for, and `signers` with keys of their own."""
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / "token.key").write_bytes(b"k" * 32)
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings = Settings(data=folder, gateway=Endpoint("127.0.0.1", free.getsockname()[1]))
    migrate(settings.database)
    store = open_store(settings.database, SystemClock())
    keys = [Ed25519PrivateKey.generate() for _ in range(signers)]
    told = {"os_build": 22631, "hardware": "model-x", "form": "laptop"}

    def fill(tx):
        mac = hmac.digest(b"k" * 32, TOKEN.encode(), "sha256")
        tx.people.add_token(TokenRecord("t", "c", "collector", mac, None, tx.at, "a", tx.at + 86400))
        for number in range(signers):
            raw = base64.b64decode(public_text(keys[number]))
            tx.hosts.enrol(HostRecord(0, f"s-{number:08}", "ed25519", raw, told, "s", tx.at))
        tx.connection.exec_driver_sql("PRAGMA cache_size=-200000")
        tx.connection.connection.cursor().executemany(
            "INSERT INTO host (id, algorithm, public_key, attributes, stratum, enrolled_at) "
            "VALUES (?,'ed25519',?,?,'s',?)",
            ((f"h-{number:08}", b"\x01" * 32, json.dumps(told), tx.at) for number in range(hosts)),
        )

    store.write(fill).result()
    store.close()
    return settings, keys


def beat(host: str, seq: int) -> dict:
    return {"host": host, "boot": "5f0c2a9e-boot", "seq": seq, "uptime": 60.0 * seq, "running": {"sensor": 7},
            "adoption": None, "phase": "idle", "sleeping": False}  # fmt: skip


def batches(hosts: int, rounds: int, *, scattered: bool) -> list[list[bytes]]:
    numbers = list(range(hosts))
    if scattered:
        random.Random(7).shuffle(numbers)
    found = []
    for seq in range(1, rounds + 1):
        parts = (numbers[start : start + ROWS] for start in range(0, hosts, ROWS))
        found.append(
            [gzip.compress(json.dumps({"beats": [beat(f"h-{n:08}", seq) for n in part]}).encode(), 1) for part in parts]
        )
    return found


def request(path: str, body: bytes, fields: dict[str, str]) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\nhost: g\r\ncontent-length: {len(body)}\r\n{head}\r\n".encode() + body


def answered(connection: socket.socket) -> int:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, rest = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(rest) < length:
        rest += connection.recv(65536)
    return int(head.split(b" ")[1])


def send(port: int, requests: list[bytes], seconds: float, status: int, out) -> None:
    """Send in order, each after the answer to the one before; (answered, seconds) goes out."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        begun, done = time.perf_counter(), 0
        for each in requests:
            connection.sendall(each)
            assert answered(connection) == status
            done += 1
            if time.perf_counter() - begun > seconds:
                break
        out.put((done, time.perf_counter() - begun))


def drive(port: int, work: list[list[bytes]], seconds: float, *, client_core: int, status: int = 202) -> float:
    """Requests a second over one connection for each list."""
    out = multiprocessing.Queue()
    children = [multiprocessing.Process(target=send, args=(port, part, seconds, status, out)) for part in work]
    for child in children:
        child.start()
        os.sched_setaffinity(child.pid, {client_core})
    results = [out.get() for _ in children]
    for child in children:
        child.join()
    return sum(done for done, _ in results) / max(took for _, took in results)


@contextmanager
def serving(settings: Settings, core: int) -> Iterator[subprocess.Popen]:
    """A gateway process on one core, until it ends."""
    port = settings.gateway.port
    server = subprocess.Popen([sys.executable, "-c", START, str(settings.data), str(port)])
    os.sched_setaffinity(server.pid, {core})
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield server
    finally:
        server.terminate()
        server.wait()


def limits(settings: Settings, first: list[bytes], second: list[bytes]) -> tuple[float, float]:
    """Hosts a second of decoding alone, and of storing decoded rows alone, on a copy of the store."""
    reader = messages.beats()
    begun = time.perf_counter()
    decoded = [reader.read(bodies.decode(each, b"gzip", bodies.EXPANDED_LIMIT)).rows for each in second]
    decoding = len(second) * ROWS / (time.perf_counter() - begun)
    store, memory = open_store(settings.database, SystemClock()), record.Memory()

    def run(rows_of: list) -> float:
        begun = time.perf_counter()
        for rows in rows_of:
            for start in range(0, ROWS, 2000):
                part = [record.Row(each) for each in rows[start : start + 2000]]
                heard = store.write(lambda tx, part=part: record.beats(tx, part, memory, 60.0)).result()
                record.remember(memory, heard)
        return len(rows_of) * ROWS / (time.perf_counter() - begun)

    run([reader.read(bodies.decode(each, b"gzip", bodies.EXPANDED_LIMIT)).rows for each in first])
    storing = run(decoded)
    store.close()
    return decoding, storing


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--hosts", type=int, default=200_000)
    parser.add_argument("--scattered", action="store_true")
    parser.add_argument("--connections", type=int, default=2)
    asked = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    server_core, client_core = cores[0], cores[-1]
    rounds = 2 + int(asked.seconds * 250_000 / asked.hosts)
    sent = batches(asked.hosts, rounds, scattered=asked.scattered)
    fields = {"authorization": f"Bearer {TOKEN}", "content-encoding": "gzip"}
    with tempfile.TemporaryDirectory() as folder:
        settings, keys = prepare(Path(folder) / "limits", asked.hosts, 1)
        os.sched_setaffinity(0, {server_core})
        decoding, storing = limits(settings, sent[0], sent[1])
        os.sched_setaffinity(0, set(cores))
        settings, keys = prepare(Path(folder) / "data", asked.hosts, 500)
        port = settings.gateway.port
        with serving(settings, server_core) as server:
            requests = [[request("/v1/beats", each, fields) for each in part] for part in sent]
            drive(port, [requests[0]], 1e9, client_core=client_core)  # everybody's first beat
            flat = [each for part in requests[1:] for each in part]
            lanes = [flat[lane :: asked.connections] for lane in range(asked.connections)]
            hosts = drive(port, lanes, asked.seconds, client_core=client_core) * ROWS
            signed = []
            now = int(time.time())
            for seq in range(1, 3 + int(asked.seconds * 10)):
                for number, key in enumerate(keys):
                    body = json.dumps(beat(f"s-{number:08}", seq)).encode()
                    signed.append(
                        request("/v1/beats", body, sign(key, f"s-{number:08}", "POST", "/v1/beats", body, now))
                    )
            drive(port, [signed[: len(keys)]], 1e9, client_core=client_core)
            rest = signed[len(keys) :]
            singles = drive(port, [rest[lane::32] for lane in range(32)], asked.seconds, client_core=client_core)
        ended = server.returncode
    print(f"gateway ended with  {ended:12}")
    print(f"decoding alone      {decoding:12,.0f} hosts/s")
    print(f"storing alone       {storing:12,.0f} hosts/s")
    print(f"batches of {ROWS}    {hosts:12,.0f} hosts/s   (target 100,000)")
    print(f"signed single beats {singles:12,.0f} requests/s (target 2,000)")


if __name__ == "__main__":
    main()
