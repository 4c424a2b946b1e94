"""A server with our door and a small application, and a caller that writes bytes of its own."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rollout.adapters.settings import Endpoint
from rollout.service.door.limits import Limits
from rollout.service.listen import Server
from tests.service.gateway_world import until

LARGE = b"x" * (1 << 20)


@dataclass
class Door:
    """What the application saw, and where it listens."""

    server: Server
    address: tuple[str, int]
    seen: list = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)

    def connect(self) -> socket.socket:
        made = socket.create_connection(self.address, timeout=20)
        made.settimeout(20)
        return made

    def say(self, *parts: bytes) -> bytes:
        """Say parts on a connection of their own; everything that is answered until the other side ends."""
        with self.connect() as made:
            for part in parts:
                made.sendall(part)
            return rest(made)


def rest(made: socket.socket) -> bytes:
    found = b""
    try:
        while part := made.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def problem(answer: bytes) -> dict:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer
    found = json.loads(body)
    assert found["status"] == status(answer)
    return found


@contextmanager
def door(limits: Limits | None = None) -> Iterator[Door]:
    """`GET /` answers ok, `/large` 2 MiB in parts, `/held` when told to; a POST is read and its size told."""
    found: list[Door] = []

    async def app(scope, receive, send):
        if scope["type"] != "http":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        here = found[0]
        here.seen.append(scope["path"])
        body = b"ok"
        if scope["method"] == "POST":
            size, more = 0, True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                size, more = size + len(message["body"]), message["more_body"]
            body = b"%d" % size
        if scope["path"] == "/held":
            await asyncio.to_thread(here.held.wait)
        parts = [LARGE, LARGE] if scope["path"] == "/large" else [body]
        size = b"%d" % sum(map(len, parts))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", size)]})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    server = Server(app, Endpoint("127.0.0.1", 0), limits=limits)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        found.append(Door(server, listening.getsockname()))
        thread.start()
        until(lambda: server.started)
        try:
            yield found[0]
        finally:
            found[0].held.set()
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
