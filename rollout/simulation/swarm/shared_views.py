"""Verified views of the Image repository and of each ring's Director, fetched once for the whole fleet.

Signatures are verified by the host's own code (`rollout.host.shared`), the Image first here, since each
Director's root is a target of it. Nothing is kept from a poll that failed.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime

from rollout.directive.facts import DirectorView, ImageView
from rollout.directive.refusal import RefusedError
from rollout.errors import UnreachableError
from rollout.host.shared import SharedVerifier
from rollout.simulation.swarm.client import Client


class RingVerifier(SharedVerifier):
    """The shared verifier, asked for one repository at a time."""

    async def image(self, now: datetime) -> ImageView:
        """The Image repository as of now; RefusedError where it does not verify."""
        view = await self._view(*self._image, now, director=False)
        if not isinstance(view, ImageView):
            raise RefusedError("metadata", "the Image repository is served as a Director")
        return view

    async def director(self, url: str, root: bytes, now: datetime) -> DirectorView:
        """A ring's Director as of now; RefusedError where it does not verify."""
        view = await self._view(url, root, now, director=True)
        if not isinstance(view, DirectorView):
            raise RefusedError("metadata", f"{url} is served as Image")
        return view


class SharedViews:
    """Fetches from one gateway; RefusedError and UnreachableError are the caller's."""

    def __init__(self, client: Client, gateway: str, image_root: bytes | None) -> None:
        self._client = client
        self._base = gateway.rstrip("/")
        self._image_root = image_root
        self._verifier: RingVerifier | None = None
        self._roots: dict[str, bytes] = {}

    async def image(self, now: Callable[[], datetime]) -> ImageView:
        """The Image repository; its root is the given one, else the first one served (loopback, development)."""
        if self._verifier is None:
            url = f"{self._base}/metadata/image/"
            root = self._image_root or await self._required(f"{url}1.root.json")
            self._verifier = RingVerifier(self._fetch, url, root)
        return await self._verifier.image(now())

    async def director(self, ring: str, image: ImageView, now: Callable[[], datetime]) -> DirectorView:
        """A ring's Director, under the root that the Image repository names for it."""
        if self._verifier is None:
            raise RefusedError("metadata", "no Image repository was verified yet")
        root = await self._root(ring, image)
        return await self._verifier.director(f"{self._base}/metadata/director/{ring}/", root, now())

    async def _root(self, ring: str, image: ImageView) -> bytes:
        target = image.targets.get(f"directors/{ring}/root.json")
        if target is None:
            raise RefusedError("metadata", f"the Image repository names no Director root for {ring}")
        digest = target.hashes.get("sha256", "")
        if digest not in self._roots:
            data = await self._required(f"{self._base}/targets/{target.path}")
            if hashlib.sha256(data).hexdigest() != digest:
                raise RefusedError("metadata", f"{target.path} is not the bytes that were signed")
            self._roots[digest] = data
        return self._roots[digest]

    async def _required(self, url: str) -> bytes:
        data = await self._fetch(url)
        if data is None:
            raise RefusedError("fetch", f"{url} is not there")
        return data

    async def _fetch(self, url: str) -> bytes | None:
        """The bytes under a URL of this gateway, None for 404; RefusedError `fetch` for anything else."""
        try:
            answer = await self._client.get(url.removeprefix(self._base))
        except UnreachableError as error:
            raise RefusedError("fetch", f"{url}: {error}") from error
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise RefusedError("fetch", f"{url} answered {answer.status}")
        return answer.body
