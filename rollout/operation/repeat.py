"""A request with an `Idempotency-Key` is done once; asked again it is answered as it was (INTERFACES section 4).

What is cut off by the death of its process may be tried again: the store itself refuses what may not happen twice.
What stops is done whenever it is asked; of its key only the use is noted, afterwards (`note`).
"""

from dataclasses import dataclass
from typing import Final

from rollout.errors import ConflictError, InvalidError
from rollout.ports.repeat import KeyedRequest
from rollout.ports.store import Transaction

KEPT_SECONDS: Final = 86_400.0
MOST_KEPT: Final = 10_000  # answers; beyond it the oldest go sooner
DEAD_SECONDS: Final = 15.0  # a process that has not moved its counter for so long is taken for dead


@dataclass(frozen=True, slots=True)
class Request:
    """A keyed request, by names that hide what it says: `name` of person, path and key, `body` of its bytes."""

    name: str
    body: str


class Lives:
    """What one process saw of others' counters, timed on its own clock: no age is a difference of wall clocks."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, int, float]] = {}

    def dead(self, found: KeyedRequest, elapsed: float) -> bool:
        """Whether the counter of a running request stands still for too long; one seen only once is given time."""
        known = self._seen.get(found.name)
        if known is None or known[:2] != (found.owner, found.counter):
            self._seen = {name: seen for name, seen in self._seen.items() if elapsed - seen[2] < KEPT_SECONDS}
            self._seen[found.name] = known = (found.owner, found.counter, elapsed)
        return elapsed - known[2] > DEAD_SECONDS


def claim(tx: Transaction, asked: Request, owner: str, lives: Lives, elapsed: float) -> KeyedRequest | None:
    """Begin a request: None where it is `owner`'s to do now, else how it was answered.

    Raises:
        InvalidError: the key was used with another body.
        ConflictError: the request still runs.
    """
    found = _known(tx, asked)
    if found is not None and found.body != asked.body:
        raise InvalidError("this Idempotency-Key was used with another body", slug="idempotency-key")
    if found is not None and found.status is not None:
        return found
    if found is not None and not lives.dead(found, elapsed):
        raise ConflictError("the request with this Idempotency-Key still runs", slug="still-running")
    tx.repeats.begin(asked.name, asked.body, owner)
    return None


def note(tx: Transaction, asked: Request, owner: str) -> None:
    """Keep the key of a stop that was done, and no answer: asked again it is done again.

    Raises:
        InvalidError: the key was used with another body; that changes nothing about the stop.
    """
    found = _known(tx, asked)
    if found is None:
        tx.repeats.begin(asked.name, asked.body, owner)
        tx.repeats.keep(asked.name, owner, 200, "", b"")
    elif found.body != asked.body:
        raise InvalidError(
            "the stop IS in force, done before its key was looked at; but this Idempotency-Key was used for "
            "something else (another body) before",
            slug="idempotency-key",
        )


def _known(tx: Transaction, asked: Request) -> KeyedRequest | None:
    tx.repeats.forget(tx.at - KEPT_SECONDS, MOST_KEPT)
    return tx.repeats.get(asked.name)
