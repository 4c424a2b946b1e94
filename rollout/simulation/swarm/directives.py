"""What the swarm needs from a ring's metadata: the port between hosts that act and code that checks."""

from dataclasses import dataclass
from typing import Literal, Protocol

from rollout.simulation.swarm.fleet import Member


@dataclass(frozen=True, slots=True)
class Directed:
    """The one directive that is a host's to take, after every check of INTERFACES section 2 held."""

    action: Literal["install", "rollback"]
    release_counter: int
    path: str
    """The target's path under `/targets/`."""
    length: int
    sha256: str
    director_version: int
    lease_until: float
    """Unix seconds; from then on nothing may be activated."""


class Directives(Protocol):
    """Verified metadata of every ring the fleet is in."""

    async def poll(self) -> frozenset[str]:
        """Fetch what changed; the rings whose hosts should look again. UnreachableError is the caller's to count."""
        ...

    def ring_of(self, member: Member) -> str | None:
        """The ring that the newest ring map gives this host, or None where no map names it."""
        ...

    def directed(self, member: Member) -> Directed | None:
        """This host's own check with its own marks, now; raises RefusedError where a line does not hold."""
        ...
