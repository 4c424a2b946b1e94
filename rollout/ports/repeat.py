"""Requests that carry an `Idempotency-Key`, and how they were answered."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """One keyed request. While it runs `status` is None, and `counter` moves as long as `owner`, a process, lives.

    `name` hides who asked what under which key; `body` is the request's digest; `answer` is sealed.
    """

    name: str
    body: str
    at: float
    owner: str
    counter: int
    status: int | None = None
    kind: str | None = None
    answer: bytes | None = None


class Repeats(Protocol):
    """The table of keyed requests."""

    def get(self, name: str) -> KeyedRequest | None:
        """A request by its name."""
        ...

    def begin(self, name: str, body: str, owner: str) -> None:
        """Note that `owner` runs it now, whoever did before."""
        ...

    def move(self, names: Collection[str], owner: str) -> None:
        """Raise the counter of what `owner` runs of these."""
        ...

    def keep(self, name: str, owner: str, status: int, kind: str, answer: bytes) -> None:
        """Keep the answer; nothing where `owner` runs it no more."""
        ...

    def release(self, name: str, owner: str) -> None:
        """Forget a request that `owner` runs: it may be tried again."""
        ...

    def forget(self, before: float, most: int) -> None:
        """Drop what began before a time (unix seconds), and of the answered ones all but the newest `most`."""
        ...
