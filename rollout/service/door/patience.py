"""Patience with callers that fail to prove who they are: a wrong proof costs a look into the store.

Each source has some for free and more with time; beyond that it is told to come back. A proof that held lately is never
held up: an operator's halt and a host that is known pass, whatever else comes from the same address.
"""

import ipaddress
from collections.abc import Callable, Hashable
from typing import Final

from rollout.errors import BusyError

FREE: Final = 200
PER_SECOND: Final = 50.0
MOST_SOURCES: Final = 10_000
MOST_PROOFS: Final = 100_000


class Patience:
    """Failures by source, and proofs that held; both bounded, the oldest are forgotten first."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._failures: dict[Hashable, tuple[float, float]] = {}
        self._proved: dict[Hashable, None] = {}

    def admit(self, source: Hashable, proof: Hashable) -> None:
        """Return if this proof may be looked at; BusyError `too-many-requests` where its source failed too often."""
        if source in self._failures and proof not in self._proved and self._debt(source) >= FREE:
            raise BusyError("too many failed proofs from here; try again in a second", slug="too-many-requests")

    def failed(self, source: Hashable, proof: Hashable) -> None:
        """Count a proof that did not hold."""
        self._proved.pop(proof, None)
        debt = min(self._debt(source) + 1, FREE + PER_SECOND)
        self._failures.pop(source, None)
        self._failures[source] = (debt, self._elapsed())
        _shrink(self._failures, MOST_SOURCES)

    def proved(self, proof: Hashable) -> None:
        """Remember a proof that held."""
        if proof not in self._proved:
            self._proved[proof] = None
            _shrink(self._proved, MOST_PROOFS)

    def _debt(self, source: Hashable) -> float:
        debt, at = self._failures.get(source, (0.0, 0.0))
        return max(0.0, debt - PER_SECOND * (self._elapsed() - at))


def source_of(client: tuple[str, int] | None) -> str:
    """Where a request comes from: an address, or the network that one caller has many IPv6 addresses of."""
    text = client[0] if client else ""
    if ":" not in text:
        return text
    try:
        return str(ipaddress.IPv6Network((text.partition("%")[0], 64), strict=False))
    except ValueError:
        return text


def _shrink(found: "dict[Hashable, tuple[float, float]] | dict[Hashable, None]", most: int) -> None:
    while len(found) > most:
        found.pop(next(iter(found)))
