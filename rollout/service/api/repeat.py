"""`Idempotency-Key`: the same request again is answered as it was the first time (INTERFACES section 4).

Kept in the store for 24 h: it survives a restart and holds over several processes. What stops is done first,
whatever its key was used for and whether or not the keys can be read; asked again it stops again. Its key is noted
afterwards, and where it was used with another body the answer says so, and that the stop is in force.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from rollout.errors import InvalidError
from rollout.service.api.context import Api
from rollout.service.api.faults import answer
from rollout.service.api.keyed import IN_SCOPE, Keyed, KeyedStop

LONGEST_KEY: Final = 255
LARGEST_BODY: Final = 1 << 20  # larger packages are known by their digest, and need no key
STOPS: Final = frozenset({"halt", "pause", "reject", "rollback", "freeze"})

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class Repeats:
    """An ASGI layer that gives keyed POST requests their key, and keeps how they were answered."""

    def __init__(self, app: Application, api: Api) -> None:
        self._app = app
        self._api = api

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a request."""
        key = dict(scope.get("headers", ())).get(b"idempotency-key")
        if scope["type"] != "http" or scope["method"] != "POST" or key is None:
            await self._app(scope, receive, send)
            return
        stops = scope["path"].rpartition("/")[2] in STOPS
        if not 0 < len(key) <= LONGEST_KEY:
            error = InvalidError("Idempotency-Key has 1 to 255 characters", slug="invalid")
            await (self._app if stops else answer(error))(scope, receive, send)  # no stop is refused for its key
            return
        messages, body = await _read(receive)
        if body is None:
            await self._app(scope, _again(messages, receive), send)
            return
        keyed = (KeyedStop if stops else Keyed)(self._api, scope["path"], key.decode("latin-1"), body)
        await self._keyed(keyed, {**scope, IN_SCOPE: keyed}, _again(messages, receive), send)

    async def _keyed(self, keyed: Keyed, scope: Message, receive: Receive, send: Send) -> None:
        held: list[Message] = []

        async def tee(message: Message) -> None:
            """Hold the answer until it is kept: whoever has all of its bytes may ask again."""
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                other = await keyed.settle(*_answer(held))
                if other is not None:
                    await other(scope, receive, send)
                    return
                for each in held:
                    await send(each)

        try:
            await self._app(scope, receive, tee)
        finally:
            await keyed.settle(*_FAILED)


_FAILED: Final = (500, "", b"")


def _answer(held: list[Message]) -> tuple[int, str, bytes]:
    """Return status, content type and body of a whole answer."""
    status, kind, body = _FAILED
    for message in held:
        if message["type"] == "http.response.start":
            status = message["status"]
            kind = dict(message.get("headers", ())).get(b"content-type", b"").decode("latin-1")
        body += message.get("body", b"")
    return status, kind, body


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
