"""Verification shared by many simulated hosts: what the swarm uses in place of `rollout.host.check`.

Thousands of hosts of one process would verify the same bytes again and again. Here the signatures over
one set of bytes are verified once; each host still runs the whole of `rollout.directive.check.check`
with its own facts, clock and marks, so everything that can differ between hosts is judged per host:

    views = await verifier.views(director_url, director_root, now)
    checked = check(views.director, views.image, facts, ring, marks, now)  # RefusedError, or new marks
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from tuf.api.exceptions import DownloadError, DownloadHTTPError

from rollout.adapters.trust.tuf import FetcherInterface
from rollout.directive.facts import DirectorView, ImageView
from rollout.directive.refusal import RefusedError
from rollout.host.client import Source, Verified, verify
from rollout.host.fetch import is_loopback
from rollout.host.views import director_view, image_view

MOST_ROTATIONS = 256  # python-tuf's own limit

# The bytes under a URL, or None for 404. Whatever else goes wrong is raised, and reaches the caller as it is.
Fetch = Callable[[str], Awaitable[bytes | None]]


@dataclass(frozen=True, slots=True)
class Views:
    """Both repositories, verified."""

    director: DirectorView
    image: ImageView


@dataclass(frozen=True, slots=True)
class _Held:
    """One verified set of bytes: good from when it was verified until the first of its parts expires."""

    digest: str
    since: datetime
    until: datetime
    view: DirectorView | ImageView


class SharedVerifier:
    """Verifies each set of metadata bytes once, for as many hosts as ask."""

    def __init__(self, fetch: Fetch, image_url: str, image_root: bytes) -> None:
        self._fetch = fetch
        self._image = (image_url, image_root)
        self._files: dict[str, dict[str, bytes]] = {}
        self._held: dict[str, _Held] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def views(self, director_url: str, director_root: bytes, now: datetime) -> Views:
        """A ring's Director and the Image, as of now; RefusedError as `rollout.host.client.verify` raises it.

        Fetches both timestamps and looks for newer roots; the immutable files only where they are new.
        """
        director = await self._view(director_url, director_root, now, director=True)
        image = await self._view(*self._image, now, director=False)
        if not isinstance(director, DirectorView) or not isinstance(image, ImageView):
            raise RefusedError("metadata", f"{director_url} is served as Director and as Image")
        return Views(director, image)

    async def _view(self, url: str, root: bytes, now: datetime, *, director: bool) -> DirectorView | ImageView:
        async with self._locks.setdefault(url, asyncio.Lock()):
            files = await collect(self._fetch, url, root, self._files.get(url, {}))
            self._files[url] = files
            held, digest = self._held.get(url), _digest(root, files)
            if held is None or held.digest != digest or not held.since <= now < held.until:
                source = Source(url, StoredFetcher(url, files), root, is_loopback(url))
                held = _hold(digest, now, verify(source, now, director=director), director=director)
                self._held[url] = held
            return held.view


async def collect(fetch: Fetch, url: str, root: bytes, known: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files a client will ask for, `known` ones not fetched again. Nothing here is believed: names only."""
    files: dict[str, bytes] = {}
    version = _number(root, "version")
    for name in (f"{number}.root.json" for number in range(version + 1, version + MOST_ROTATIONS)):
        found = await fetch(f"{url}{name}")
        if found is None:
            break
        files[name] = found
    files["timestamp.json"] = await _required(fetch, url, "timestamp.json", {})
    below = files["timestamp.json"]
    for role in ("snapshot", "targets"):
        name = f"{_number(below, 'meta', f'{role}.json', 'version')}.{role}.json"
        below = files[name] = await _required(fetch, url, name, known)
    return files


async def _required(fetch: Fetch, url: str, name: str, known: Mapping[str, bytes]) -> bytes:
    data = known.get(name)
    if data is None:
        data = await fetch(f"{url}{name}")
    if data is None:
        raise RefusedError("fetch", f"{url}{name} is not there")
    return data


def _number(data: bytes, *keys: str) -> int:
    try:
        found = json.loads(data)["signed"]
        for key in keys:
            found = found[key]
        return int(found)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RefusedError("metadata", f"metadata without {'/'.join(keys)}") from error


def _digest(root: bytes, files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256(hashlib.sha256(root).digest())
    for name, data in sorted(files.items()):
        digest.update(f"{name}\0".encode() + hashlib.sha256(data).digest())
    return digest.hexdigest()


def _hold(digest: str, now: datetime, verified: Verified, *, director: bool) -> _Held:
    until = min(part.expires for part in verified.parts)
    view = director_view(verified) if director else image_view(verified)
    return _Held(digest, now, until, view)


class StoredFetcher(FetcherInterface):
    """Serves a client from files already in memory; what is not among them is 404."""

    def __init__(self, url: str, files: Mapping[str, bytes]) -> None:
        self._url = url
        self._files = files

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = url.removeprefix(self._url)
        if name in self._files:
            return iter((self._files[name],))
        if name.endswith(".root.json"):
            raise DownloadHTTPError(f"no {name}: the root chain ends", 404)
        raise DownloadError(f"no {name}")
