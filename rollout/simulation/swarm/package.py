"""Package bytes: fetched once for the whole fleet, believed only by their sha256."""

import asyncio
import hashlib

from rollout.errors import UnreachableError
from rollout.simulation.swarm.client import Client
from rollout.simulation.swarm.directives import Directed


class Packages:
    """A cache by digest: whether the bytes that a directive names were seen, whole and unchanged."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._good: set[str] = set()
        self._turn = asyncio.Lock()

    async def have(self, directed: Directed) -> bool:
        """True once the bytes are here; UnreachableError where they cannot be had, or are other bytes."""
        if directed.sha256 in self._good:
            return True
        async with self._turn:
            if directed.sha256 not in self._good:
                await self._fetch(directed)
        return True

    async def _fetch(self, directed: Directed) -> None:
        answer = await self._client.get(f"/targets/{directed.path}")
        if answer.status != 200:
            raise UnreachableError(f"/targets/{directed.path} answered {answer.status}")
        if len(answer.body) != directed.length or hashlib.sha256(answer.body).hexdigest() != directed.sha256:
            raise UnreachableError(f"/targets/{directed.path} is not the bytes that were signed")
        self._good.add(directed.sha256)
