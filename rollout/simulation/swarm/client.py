"""The pool of connections to one server, with a deadline on every request."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from rollout.errors import InvalidError, UnreachableError
from rollout.simulation.swarm.connection import Answer, Connection

_DEADLINE_SECONDS = 10.0  # a gateway that commits does so within 20 ms; ten seconds is one that hangs


class Client:
    """At most `connections` requests at once; the rest wait their turn."""

    def __init__(self, base: str, connections: int = 32) -> None:
        url = urlsplit(base)
        if url.scheme != "http" or url.hostname is None or url.path.strip("/"):
            raise InvalidError(f"the swarm speaks plain http to a host and port, not {base}")
        self._address = (url.hostname, url.port or 80)
        self._host = url.netloc
        self._turns = asyncio.Semaphore(connections)
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in (*self._idle, *self._busy):
            connection.close()

    async def get(self, path: str) -> Answer:
        """GET `path`; UnreachableError where no answer comes in time."""
        return await self._exchange(self._head("GET", path, {}) + b"\r\n")

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST a JSON body with further header fields; UnreachableError where no answer comes in time."""
        fields = {"content-type": "application/json", "content-length": str(len(body)), **headers}
        return await self._exchange(self._head("POST", path, fields) + b"\r\n" + body)

    def _head(self, method: str, path: str, fields: Mapping[str, str]) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{method} {path} HTTP/1.1\r\nhost: {self._host}\r\n{lines}".encode("latin-1")

    async def _exchange(self, request: bytes) -> Answer:
        async with self._turns:
            try:
                async with asyncio.timeout(_DEADLINE_SECONDS):
                    return await self._first_answer(request)
            except TimeoutError:
                raise UnreachableError(f"no answer within {_DEADLINE_SECONDS:.0f} s") from None

    async def _first_answer(self, request: bytes) -> Answer:
        """Ask on a kept connection; where the server had closed it meanwhile, once more on a new one.

        Every message of the host protocol may be sent twice: a replay changes nothing (INTERFACES 1).
        """
        while self._idle:
            kept = self._idle.pop()
            if kept.usable:
                try:
                    return await self._ask(kept, request)
                except UnreachableError:
                    break
        return await self._ask(await self._connect(), request)

    async def _ask(self, connection: Connection, request: bytes) -> Answer:
        self._busy.add(connection)
        try:
            return await connection.ask(request)
        finally:
            self._busy.discard(connection)
            if connection.usable:
                self._idle.append(connection)
            else:
                connection.close()

    async def _connect(self) -> Connection:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(Connection, *self._address)
        except OSError as error:
            raise UnreachableError(f"no connection to {self._host}: {error.strerror or error}") from None
        return connection
