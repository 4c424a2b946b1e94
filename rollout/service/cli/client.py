"""The control API over HTTP, for the command line.

`http.client` and not httpx: importing httpx costs 0.3 s, and `rollout halt` must answer in half a second.
Every refusal becomes an error of our tree (`problem.error_of`), which carries its exit code. Redirects are
not followed: the token would go to whoever asks for it.
"""

import http
import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import click

from rollout.errors import InvalidError, NotFoundError, RolloutError, SurroundingsError, UnreachableError
from rollout.service.cli.server import ADVICE, Server
from rollout.service.problem import error_of

PREFIX = "/api/v1"
TIMEOUT = 30.0  # seconds without a byte; the API answers acts in milliseconds, intake of 256 MiB in seconds
BODY_LIMIT = 256 * 1024 * 1024  # bytes of one document; evidence is streamed and has no limit
PIECE = 64 * 1024  # bytes read at once of a stream
CONNECT = 5.0  # seconds; who halts must not wait for a host that swallows packets
_TROUBLE = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer: its status and its document."""

    status: int
    document: dict[str, Any]


class Client:
    """One server, one token; a connection per call."""

    def __init__(self, server: Server, timeout: float = TIMEOUT) -> None:
        parts = _split(server)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidError(f"{server.url!r} ({server.source}) is no http or https URL", slug="url")
        self.server = server
        self._timeout = timeout
        self._base = parts.path.rstrip("/").removesuffix(PREFIX) + PREFIX
        self._parts = parts

    def get(self, path: str, **query: str | None) -> dict[str, Any]:
        """Return the document of a path; `query` values of None are left out."""
        kept = {name: value for name, value in query.items() if value is not None}
        return self._exchange("GET", path + (f"?{urlencode(kept)}" if kept else "")).document

    def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Send a JSON document."""
        return self._exchange("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def upload(self, path: str, file: Path, kind: str) -> Answer:
        """Send a file as it is, without holding it in memory."""
        try:
            with file.open("rb") as body:
                head = {"Content-Type": kind, "Content-Length": str(file.stat().st_size)}
                return self._exchange("POST", path, body, head)
        except OSError as error:  # of the file: the connection's own are UnreachableError
            raise NotFoundError(f"{file} cannot be read: {error.strerror}", slug="no-file") from error

    def delete(self, path: str) -> Answer:
        """Remove what a path names."""
        return self._exchange("DELETE", path)

    def lines(self, path: str, head: Mapping[str, str] | None = None) -> Iterator[str]:
        """Stream a path line by line, without their ends; UnreachableError where it ends before its end."""
        with self._asked("GET", path, None, head or {}) as answer:
            if answer.status != http.HTTPStatus.OK:
                raise _refusal(answer.status, answer.read(BODY_LIMIT))
            for line in _lines(answer):
                yield line.decode("utf-8", errors="replace").rstrip("\r")

    def _exchange(
        self, method: str, path: str, body: bytes | IO[bytes] | None = None, head: Mapping[str, str] | None = None
    ) -> Answer:
        with self._asked(method, path, body, head or {}) as answer:
            raw = answer.read(BODY_LIMIT)
        if not 200 <= answer.status < 300:
            raise _refusal(answer.status, raw)
        found = _parsed(raw) if raw.strip() else {}
        if found is None:
            raise SurroundingsError(
                f"{self.server.url} answered, but not as the control API does: is this the API's address?",
                slug="not-the-api",
            )
        return Answer(answer.status, found)

    @contextmanager
    def _asked(
        self, method: str, path: str, body: bytes | IO[bytes] | None, head: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        token = {"Authorization": f"Bearer {self.server.token}"} if self.server.token else {}
        connection = self._connection()
        try:
            connection.connect()
            connection.sock.settimeout(self._timeout)
            connection.request(method, self._base + path, body, {"Accept": "application/json", **token, **head})
            yield connection.getresponse()
        except _TROUBLE as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        try:
            host, port = str(self._parts.hostname), self._parts.port
        except ValueError as error:
            raise InvalidError(f"{self.server.url!r} has no valid port", slug="url") from error
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=CONNECT, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=CONNECT)

    def _unreachable(self, error: Exception) -> UnreachableError:
        return UnreachableError(
            f"{self.server.url} (from {self.server.source}) does not answer: {_why(error)}; "
            f"if this is not the server you meant, {ADVICE}",
            slug="unreachable",
        )


def _split(server: Server) -> SplitResult:
    try:
        return urlsplit(server.url)
    except ValueError as error:
        raise InvalidError(f"{server.url!r} ({server.source}) is no URL: {error}", slug="url") from error


def segment(text: str) -> str:
    """One part of a path, as it must stand in a URL; without a name there is nothing to ask for."""
    if not text:
        raise click.UsageError("a name is empty")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise InvalidError(f"{text!r} is no text that can be sent", slug="name") from error


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield lines as they come; IncompleteRead where fewer bytes come than were announced.

    By `read1`: iterating over the answer itself takes a chunked body that breaks off for a whole one.
    """
    rest = b""
    while got := answer.read1(PIECE):
        *whole, rest = (rest + got).split(b"\n")
        yield from whole
    if answer.length:
        raise http.client.IncompleteRead(b"", answer.length)
    if rest:
        yield rest


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _refusal(status: int, raw: bytes) -> RolloutError:
    if 300 <= status < 400:
        return SurroundingsError(
            "the server redirects, which is never followed: give the final address with --url", slug="redirect"
        )
    return error_of(_parsed(raw) or {}, status)


def _why(error: Exception) -> str:
    """The reason of a failed exchange, in words."""
    match error:
        case ConnectionRefusedError():
            return "nothing listens there"
        case TimeoutError():
            return "it was silent for too long"
        case socket.gaierror():
            return "its name is not known"
        case ssl.SSLError():
            return f"its certificate is not accepted ({error.reason or error})"
        case http.client.IncompleteRead():
            return "its answer broke off"
        case _:
            return str(error) or type(error).__name__
