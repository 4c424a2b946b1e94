"""`Idempotency-Key`: the same request again is answered as it was the first time (INTERFACES section 4).

Kept in memory for 24 h: after a restart the store itself still refuses what may not happen twice.
"""

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from rollout.errors import ConflictError, InvalidError
from rollout.ports.clock import Clock
from rollout.service.api.faults import answer

KEPT_SECONDS: Final = 86_400.0
MOST_KEPT: Final = 10_000
LONGEST_KEY: Final = 255
LARGEST_BODY: Final = 1 << 20  # packages are known by their digest, and need no key

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class _Kept:
    """One keyed request; `sent` is None while it runs."""

    body: bytes
    at: float
    sent: list[Message] | None = None


class Repeats:
    """An ASGI layer that remembers the answers of keyed POST requests; what failed in the server may be tried again."""

    def __init__(self, app: Application, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._kept: dict[bytes, _Kept] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, from memory where it was answered before."""
        fields = dict(scope.get("headers", ()))
        key = fields.get(b"idempotency-key")
        if scope["type"] != "http" or scope["method"] != "POST" or key is None:
            await self._app(scope, receive, send)
            return
        if not 0 < len(key) <= LONGEST_KEY:
            await _refuse(InvalidError("Idempotency-Key has 1 to 255 characters", slug="invalid"), scope, receive, send)
            return
        messages, body = await _read(receive)
        if body is None:
            await self._app(scope, _again(messages, receive), send)
            return
        who = hashlib.sha256(fields.get(b"authorization", b"")).digest()
        name = b"|".join((who, scope["path"].encode(), key))
        await self._keyed(name, hashlib.sha256(body).digest(), scope, _again(messages, receive), send)

    async def _keyed(self, name: bytes, body: bytes, scope: Message, receive: Receive, send: Send) -> None:
        self._forget()
        known = self._kept.get(name)
        if known is None:
            await self._first(name, body, scope, receive, send)
        elif known.body != body:
            error = InvalidError("this Idempotency-Key was used with another body", slug="idempotency-key")
            await _refuse(error, scope, receive, send)
        elif known.sent is None:
            running = ConflictError("the request with this Idempotency-Key still runs", slug="still-running")
            await _refuse(running, scope, receive, send)
        else:
            for message in known.sent:
                await send(dict(message))

    async def _first(self, name: bytes, body: bytes, scope: Message, receive: Receive, send: Send) -> None:
        kept = self._kept[name] = _Kept(body, self._clock.elapsed())
        sent: list[Message] = []

        async def tee(message: Message) -> None:
            sent.append(dict(message))
            if message["type"] == "http.response.body" and not message.get("more_body", False) and _lasts(sent):
                kept.sent = sent  # before the last bytes leave: whoever has the answer may ask again
            await send(message)

        try:
            await self._app(scope, receive, tee)
        finally:
            if kept.sent is None:
                self._kept.pop(name, None)

    def _forget(self) -> None:
        """Drop what is a day old, and the oldest where there are too many; the first kept are the oldest."""
        before = self._clock.elapsed() - KEPT_SECONDS
        while self._kept:
            oldest = next(iter(self._kept))
            if self._kept[oldest].at >= before and len(self._kept) < MOST_KEPT:
                return
            del self._kept[oldest]


def _lasts(sent: list[Message]) -> bool:
    """Say whether an answer is kept: not a failure of ours, and not a refusal of the person."""
    status = sent[0].get("status", 500)
    return status < 500 and status not in {401, 403}


async def _read(receive: Receive) -> tuple[list[Message], bytes | None]:
    """Return the messages read, and the body if it is all there and not too large."""
    messages: list[Message] = []
    body = b""
    while len(body) <= LARGEST_BODY:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            return messages, None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return messages, body
    return messages, None


def _again(messages: list[Message], receive: Receive) -> Receive:
    """Return a `receive` that begins with what was read already."""
    waiting = list(messages)

    async def next_message() -> Message:
        return waiting.pop(0) if waiting else await receive()

    return next_message


async def _refuse(error: Exception, scope: Message, receive: Receive, send: Send) -> None:
    await answer(error)(scope, receive, send)
