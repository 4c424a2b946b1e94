"""The gateway, as one host speaks to it: one origin, no redirects, every wait bounded, every message signed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpcore
import msgspec

from rollout.adapters.clock import SystemClock
from rollout.adapters.signature.signer import PrivateKey, sign
from rollout.errors import InvalidError, UnreachableError
from rollout.host.budget import Budget
from rollout.host.fetch import connections, pinned

ANSWER_LIMIT = 64 * 1024
_AGENT = (b"User-Agent", b"rollout-host/1")
_SLOWEST = 64 * 1024  # bytes a second of a package: slower, and it goes on in the next round


@dataclass(frozen=True, slots=True)
class Answer:
    """One response, whole."""

    status: int
    body: bytes


class Door:
    """Speaks as `host` with its key; all calls raise UnreachableError where no whole answer comes."""

    def __init__(self, gateway: str, host: str, key: PrivateKey) -> None:
        self.url = origin(gateway)
        self._host = host
        self._key = key
        self._clock = SystemClock()

    def post(self, path: str, message: Mapping[str, Any], bearer: str | None = None) -> Answer:
        """Send one signed message."""
        body = msgspec.json.encode(message)
        fields = sign(self._key, self._host, "POST", path, body, int(self._clock.now()))
        fields |= {"content-type": "application/json"}
        if bearer is not None:
            fields["authorization"] = f"Bearer {bearer}"
        with self._asked("POST", path, fields, body, Budget(self._clock.elapsed)) as response:
            return Answer(response.status, b"".join(_capped(response, ANSWER_LIMIT)))

    def fetch(self, path: str, cap: int) -> bytes:
        """The bytes under a path, at most `cap`."""
        with self._asked("GET", path, {}, None, Budget(self._clock.elapsed)) as response:
            if response.status != 200:
                raise UnreachableError(f"{path} answered {response.status}")
            return b"".join(_capped(response, cap))

    @contextmanager
    def stream(self, path: str, length: int, start: int) -> Iterator[tuple[bool, Iterator[bytes]]]:
        """The bytes of a path of `length`, from `start` on where the server can; whether it could."""
        budget = Budget(self._clock.elapsed, whole=30.0 + length / _SLOWEST)
        fields = {"range": f"bytes={start}-"} if start else {}
        with self._asked("GET", path, fields, None, budget) as response:
            resumed = response.status == 206 and _field(response, b"content-range").startswith(f"bytes {start}-")
            if not resumed and response.status != 200:
                raise UnreachableError(f"{path} answered {response.status}")
            yield resumed, _capped(response, length - start if resumed else length)

    @contextmanager
    def _asked(
        self, method: str, path: str, fields: Mapping[str, str], body: bytes | None, budget: Budget
    ) -> Iterator[httpcore.Response]:
        head = [_AGENT, (b"Accept-Encoding", b"identity")]
        head += [(name.encode("ascii"), value.encode("ascii")) for name, value in fields.items()]
        try:
            with (
                connections(self.url, budget) as pool,
                pool.stream(method, self.url + path.removeprefix("/"), headers=head, content=body) as response,
            ):
                yield response
        except (httpcore.TimeoutException, TimeoutError) as error:
            raise UnreachableError(f"{self.url} does not answer {path} in time") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as error:
            raise UnreachableError(f"{self.url} is not reached: {error}") from error


def origin(gateway: str) -> str:
    """The gateway's URL with a trailing slash; InvalidError unless it is https (or loopback) and nothing but a host.

    Signatures cover the path as the gateway sees it, so it has none of its own.
    """
    url = pinned(gateway)
    if urlsplit(url).path != "/":
        raise InvalidError(f"{gateway!a:.200} has a path; the gateway is a scheme, a host and a port", slug="gateway")
    return url


def _capped(response: httpcore.Response, cap: int) -> Iterator[bytes]:
    received = 0
    for chunk in response.iter_stream():
        received += len(chunk)
        if received > cap:
            raise UnreachableError(f"the answer is longer than {cap} bytes")
        yield chunk


def _field(response: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), "")
