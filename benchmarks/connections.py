"""Ten thousand connections that only cost: does the gateway still answer everybody else?

Run: `python benchmarks/connections.py [--connections 10000]`

A real gateway process; this process opens connections that say nothing, half a head, or half a body, keeps them open,
and meanwhile asks `/healthz` on new connections and sends beats on an old one. Loopback only; ends by itself.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import quantiles

from gateway import START, TOKEN, beat, prepare

from rollout.service.door.limits import Limits, affordable

SAID = {
    "silent": b"",
    "half a head": b"GET /healthz HTTP/1.1\r\nx: ",
    "half a body": b"POST /v1/beats HTTP/1.1\r\nhost: x\r\nsignature: x\r\ncontent-length: 100\r\n\r\nabc",
}
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


async def ask(port: int) -> float:
    """Seconds that a newcomer waits for `/healthz`, its connection included; infinite where it is sent away."""
    begun = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEALTH)
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return time.perf_counter() - begun if b" 200 " in answer else float("inf")


async def beats(port: int, count: int) -> float:
    """Seconds a beat takes at the 99th percentile on one connection that is kept."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for seq in range(count):
        body = json.dumps(beat("s-00000000", seq + 1)).encode()
        head = f"POST /v1/beats HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
        head += f"content-length: {len(body)}\r\n\r\n"
        begun = time.perf_counter()
        writer.write(head.encode() + body)
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - begun)
        assert b" 202 " in answer, answer
    writer.close()
    return quantiles(took, n=100)[98]


async def storm(port: int, connections: int, said: bytes) -> dict[str, float]:
    opened = []
    for start in range(0, connections, 200):
        wanted = min(200, connections - start)
        opened += await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(wanted)))
        for _, writer in opened[-wanted:]:
            writer.write(said)
    begun = time.perf_counter()
    health, beaten = await asyncio.gather(asyncio.gather(*(ask(port) for _ in range(50))), beats(port, 100))
    ended = 0.0
    for reader, _ in opened:
        with suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 60)
        ended = time.perf_counter() - begun
    for _, writer in opened:
        writer.close()
    return {"healthz p98": quantiles(health, n=50)[48], "beat p99": beaten, "all gone after": ended}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=10_000)
    asked = parser.parse_args()
    affordable(Limits())  # files for this process as well
    with tempfile.TemporaryDirectory() as folder:
        settings, _ = prepare(Path(folder) / "data", 10, 1)
        port = settings.gateway.port
        server = subprocess.Popen([sys.executable, "-c", START, str(settings.data), str(port)])
        try:
            while True:
                try:
                    asyncio.run(ask(port))
                    break
                except OSError:
                    time.sleep(0.05)
            for name, said in SAID.items():
                found = asyncio.run(storm(port, asked.connections, said))
                print(
                    f"{asked.connections} x {name:12}",
                    "  ".join(f"{key} {value:6.3f} s" for key, value in found.items()),
                )
            begun = time.perf_counter()
        finally:
            server.terminate()
            code = server.wait()
        print(f"ended with {code} in {time.perf_counter() - begun:.2f} s")


if __name__ == "__main__":
    main()
