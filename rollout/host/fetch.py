"""Fetching metadata from a server that may be slow, hostile or not there (INTERFACES section 2, line 12).

python-tuf's own fetchers follow redirects, read proxies from the environment, and let a server that sends
one byte now and then hold a client for ever. This one speaks to one origin, and every read, header bytes
included, draws on a budget of time.
"""

import ipaddress
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpcore
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError, SlowRetrievalError

from rollout.adapters.trust.tuf import FetcherInterface
from rollout.directive.refusal import RefusedError
from rollout.host.budget import Budget, BudgetBackend

CAPS = {"root": 512_000, "timestamp": 16_384, "snapshot": 2_000_000, "targets": 5_000_000}
_HEADERS = [("Accept-Encoding", "identity"), ("User-Agent", "rollout-host/1")]


def pinned(url: str) -> str:
    """The base URL with a trailing slash; RefusedError `fetch` unless it is https, or http to this machine."""
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and parts.username is None and parts.port != 0 and not parts.query
    except ValueError:
        good = False
    if not good or parts.fragment or parts.scheme not in {"http", "https"}:
        raise RefusedError("fetch", f"{url!a:.200} is no http(s) URL of a metadata folder")
    if parts.scheme == "http" and not is_loopback(url):
        raise RefusedError("fetch", f"{url!a:.200}: plain http is for loopback only")
    return url if url.endswith("/") else f"{url}/"


def is_loopback(url: str) -> bool:
    """Does the URL name this machine itself?"""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def connections(url: str, budget: Budget) -> httpcore.ConnectionPool:
    """Connections to the server of a pinned URL, whose every wait is charged to the budget."""
    backend = BudgetBackend(httpcore.SyncBackend(), budget)
    # http/1.1 only, no proxy, no retry: what is not needed cannot be turned against the host.
    context = ssl.create_default_context() if url.startswith("https:") else None
    return httpcore.ConnectionPool(context, network_backend=backend)


class PinnedFetcher(FetcherInterface):
    """Fetches metadata files from under one base URL, no redirects, within caps and a budget of time."""

    def __init__(self, url: str, budget: Budget) -> None:
        self.url = pinned(url)
        self._pool = connections(self.url, budget)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def download_bytes(self, url: str, max_length: int) -> bytes:  # noqa: ARG002 - python-tuf's signature
        """A file within its cap. One that is not as long as was signed is the verifier's to refuse, not the fetch's."""
        return b"".join(self._fetch(url))

    def _fetch(self, url: str) -> Iterator[bytes]:
        if not url.startswith(self.url):
            raise DownloadError(f"{url} is not under {self.url}")
        name = url.removeprefix(self.url)
        role = name.removesuffix(".json").rpartition(".")[2]
        try:
            with self._pool.stream("GET", url, headers=_HEADERS) as response:
                _require_ok(response.status, name, role)
                yield from _capped(response.iter_stream(), name, CAPS[role])
        except (httpcore.TimeoutException, TimeoutError) as error:
            raise SlowRetrievalError(f"{name}: the server does not send") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as error:
            raise DownloadError(f"{name}: {type(error).__name__} {error}") from error


def _require_ok(status: int, name: str, role: str) -> None:
    if status == 404 and role == "root":
        raise DownloadHTTPError(f"no {name}: the root chain ends", 404)
    if status != 200:
        # A DownloadHTTPError would let python-tuf take a 403 for the end of the root chain too.
        raise DownloadError(f"{name}: HTTP status {status}")


def _capped(chunks: Iterator[bytes], name: str, cap: int) -> Iterator[bytes]:
    received = 0
    for chunk in chunks:
        received += len(chunk)
        if received > cap:
            raise DownloadLengthMismatchError(f"{name} is larger than {cap} bytes")
        yield chunk
