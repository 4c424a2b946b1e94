"""A lean HTTP/1.1 client: many small requests over few kept connections.

Twenty thousand hosts share one process and half a core, so a request may cost 100 µs, not httpx's
millisecond. It speaks what the gateway speaks: Content-Length bodies, no redirects, no chunks.
"""

import asyncio
from dataclasses import dataclass
from typing import cast

from rollout.errors import UnreachableError

_HEAD_LIMIT = 32 * 1024
_BODY_LIMIT = 256 * 1024 * 1024  # the largest package (INTERFACES 3)


@dataclass(frozen=True, slots=True)
class Answer:
    """One response, whole."""

    status: int
    body: bytes
    retry_after: float | None = None
    """Seconds of the Retry-After field, where it was a number."""


class Connection(asyncio.Protocol):
    """One kept connection, one request in flight at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: asyncio.Future[Answer] | None = None
        self._head: tuple[int, float | None, int] | None = None
        self.usable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the request in flight, if any."""
        self._fail(f"connection lost: {exc or 'closed by the server'}")

    def data_received(self, data: bytes) -> None:
        """Collect bytes until one whole answer is there."""
        self._buffer += data
        try:
            answer = self._take()
        except (ValueError, IndexError):
            self._fail("the server's answer is not HTTP/1.1 with a Content-Length")
            return
        if answer is not None and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)

    async def ask(self, request: bytes) -> Answer:
        """Send one request and wait for its answer; UnreachableError where none comes."""
        if self._transport is None or not self.usable:
            raise UnreachableError("connection is closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._waiting
        finally:
            self.usable = self._waiting.done() and not self._waiting.cancelled() and self.usable
            self._waiting = None

    def close(self) -> None:
        """Close at once; a request in flight ends with UnreachableError."""
        self._fail("closed by the client")

    def _take(self) -> Answer | None:
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > _HEAD_LIMIT:
                    raise ValueError("head too large")
                return None
            self._head = self._read_head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
        status, retry_after, length = self._head
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._head = None
        return Answer(status, body, retry_after)

    def _read_head(self, head: bytes) -> tuple[int, float | None, int]:
        first, *lines = head.split(b"\r\n")
        status = int(first.split(b" ", 2)[1])
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        if fields.get(b"connection", b"").lower() == b"close":
            self.usable = False
        length = 0 if status in {204, 304} else int(fields[b"content-length"]) if b"content-length" in fields else -1
        if not 0 <= length <= _BODY_LIMIT:
            raise ValueError("no usable Content-Length")
        wait = fields.get(b"retry-after", b"")
        return status, float(wait) if wait.isdigit() else None, length

    def _fail(self, why: str) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(UnreachableError(why))
