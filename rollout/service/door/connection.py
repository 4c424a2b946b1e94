"""One connection: uvicorn's HTTP protocol with an end to everything.

Rule 1: no byte is kept beyond `Limits`, whatever the caller sends and whether or not it reads.
Rule 2: what is refused here is answered with a problem document, as everywhere, if an answer can still be told from
the answer to something else; then the connection ends.
Rule 3: the caller's silence costs a place in the hall, never a task or a timer of its own.
"""

import asyncio
import json
import logging
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from rollout.errors import BusyError, MalformedError, RolloutError
from rollout.service import problem
from rollout.service.door.hall import Hall

_LINGER_SECONDS: Final = 2.0
_LOG = logging.getLogger("rollout.door")
_NOT_HTTP: Final = MalformedError("this is not HTTP/1.1", slug="malformed")
_SLOW: Final = MalformedError("the request did not arrive in time", slug="too-slow")
_LARGE: Final = MalformedError("the request's head is too large", slug="head-too-large")
_FULL: Final = BusyError("the service has no connection free; try again in a second", slug="busy")


class Connection(HttpToolsProtocol):
    """See above; `hall` is shared by the server's connections."""

    def __init__(
        self,
        hall: Hall,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._hall, self._limits = hall, hall.limits
        self._due: float | None = None  # when the caller's next move must be made
        self._unread_due: float | None = None  # when it must have read
        self._loose = 0  # bytes since the last of a body, or of a message
        self._begun = False  # a message has begun and not ended
        self._headed = False  # its head is complete
        self._head_bytes = 0
        self._ending = False  # nothing more is taken
        self._refusal: RolloutError = _NOT_HTTP

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take a place in the hall."""
        super().connection_made(transport)
        self._due = self.loop.time() + self._limits.head_seconds
        if not self._hall.enter(self):
            self._send(_FULL)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._hall.left(self)
        self._due = self._unread_due = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the limits."""
        self._unset_keepalive_if_required()
        if self._ending or self.transport.is_closing():
            return
        if not self._begun and self._due is None:
            self._due = self.loop.time() + self._limits.head_seconds
        if self._loose > self._limits.head_bytes:
            self._refuse(_LARGE)
            return
        self._loose += len(data)
        if self in self._hall.silent:
            self._hall.theirs(self)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end_after_answer()  # we speak one protocol: the request is answered as if it had not asked
        except httptools.HttpParserError:
            self._refuse(self._refusal)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._begun, self._headed = True, False
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; those of trailers are no part of it."""
        if self._headed:
            return
        self._head_bytes += len(name) + len(value)
        super().on_header(name, value)
        if self._head_bytes > self._limits.head_bytes or len(self.headers) > self._limits.head_fields:
            self._too_much()

    def on_headers_complete(self) -> None:
        """Let the application begin."""
        self._headed = True
        if self._head_bytes + len(self.url) > self._limits.head_bytes or len(self.pipeline) >= self._limits.pipelined:
            self._too_much()
        super().on_headers_complete()
        self._loose = 0
        self._due = self.loop.time() + self._limits.body_seconds

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on; it buys time for the rest."""
        self._loose = 0
        if self._due is not None and not self.cycle.response_complete:
            self._due += len(body) / self._limits.body_rate
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is all there: the next move is ours."""
        self._begun, self._loose, self._due = False, 0, None
        if self.cycle.response_complete:
            self._hall.theirs(self)
        else:
            self._hall.ours(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is on its way: the next move is the caller's, unless it has asked more already."""
        waiting = bool(self.pipeline)
        super().on_response_complete()
        if waiting:
            return
        self._hall.theirs(self)
        if self._ending:
            self.transport.close()
        elif self._begun:
            self._due = self.loop.time() + self._limits.body_seconds  # it may end what it says to nobody

    def pause_writing(self) -> None:
        """The reader is slower than we are: it has time, but not for ever."""
        super().pause_writing()
        size = self.transport.get_write_buffer_size()
        self._unread_due = self.loop.time() + self._limits.read_seconds + size / self._limits.body_rate
        self._hall.deaf[self] = None

    def resume_writing(self) -> None:
        """The reader has caught up."""
        super().resume_writing()
        self._unread_due = None
        self._hall.deaf.pop(self, None)

    def leave(self) -> None:
        """End at once, to make room or because what was sent is not read."""
        self.transport.abort()

    def look(self, now: float) -> None:
        """End what is overdue."""
        if self.transport.is_closing():
            self._unread_due = self._unread_due or now + self._limits.read_seconds
        if self._unread_due is not None and now > self._unread_due:
            self.leave()
        elif self._due is not None and now > self._due:
            self._overdue(now)

    def _overdue(self, now: float) -> None:
        answered = self._answered()
        if self._headed and not answered and self.flow.read_paused:
            self._due = now + self._limits.body_seconds  # it is we who do not read
        elif self._ending or (self._headed and answered) or not (self._loose or self._begun):
            self.transport.close()  # it has said nothing, or was told already
        else:
            self._refuse(_SLOW)

    def _too_much(self) -> None:
        """End the parsing; `data_received` refuses."""
        self._refusal = _LARGE
        raise ValueError

    def _refuse(self, error: RolloutError) -> None:
        """Answer what cannot be read on, if no answer to anything else is due; then end."""
        _LOG.debug("refused: %s", error.detail)
        cycle = self.cycle
        broken = self._begun and self._headed and not self._answered()
        if broken:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.pipeline and self.pipeline[0][0] is cycle and broken:
            self.pipeline.popleft()
            broken = False  # another cycle is under way
        if self._answered() or (broken and not cycle.response_started):
            self._send(error)
        elif broken:
            self.transport.close()
        else:
            self._end_after_answer()

    def _end_after_answer(self) -> None:
        """Take nothing more; what was asked before is answered."""
        self._ending, self._due = True, None
        if self._answered():
            self.transport.close()

    def _answered(self) -> bool:
        """Whether nobody waits for an answer of the application's."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is None or cycle.response_complete

    def _send(self, error: RolloutError) -> None:
        """Say what is wrong and wait for the caller to go: closing over unread bytes would take the answer back."""
        body = json.dumps(problem.document(error)).encode()
        fields = {"content-type": problem.CONTENT_TYPE, "content-length": str(len(body)), "connection": "close"}
        told = "".join(f"{name}: {value}\r\n" for name, value in (fields | problem.headers(error)).items())
        self.transport.write(STATUS_LINE[problem.status(error)] + told.encode("latin-1") + b"\r\n" + body)
        self.transport.write_eof()
        self._ending, self._due = True, self.loop.time() + _LINGER_SECONDS
