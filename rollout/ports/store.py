"""The store: one transaction gives every table, so that check and grant are one."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from rollout.ports.adoption import Adoptions
from rollout.ports.event import Events
from rollout.ports.host import Hosts
from rollout.ports.judging import Beacons, Judging
from rollout.ports.person import People
from rollout.ports.publication import Publications
from rollout.ports.release import Releases
from rollout.ports.repeat import Repeats
from rollout.ports.rollout import Rollouts

T = TypeVar("T")


class Transaction(Protocol):
    """All tables under one commit. `at` is unix seconds, stamped inside, never lower than any before.

    After a clock that jumped ahead was set right, `at` stands still until time has caught up: what is a rate or an
    age then goes by `now`.
    """

    @property
    def at(self) -> float:
        """Unix seconds, higher than any committed before: what was later is later, whatever the clock did."""
        ...

    @property
    def now(self) -> float:
        """Unix seconds of this machine's clock, which may have been set back."""
        ...

    @property
    def hosts(self) -> Hosts:
        """Hosts, presences and crashes."""
        ...

    @property
    def events(self) -> Events:
        """What happened, in order."""
        ...

    @property
    def rollouts(self) -> Rollouts:
        """Rollouts, rings, members, the freeze."""
        ...

    @property
    def adoptions(self) -> Adoptions:
        """Adoptions and tallies."""
        ...

    @property
    def judging(self) -> Judging:
        """Watch, judgement, evidence."""
        ...

    @property
    def beacons(self) -> Beacons:
        """Moving counters."""
        ...

    @property
    def releases(self) -> Releases:
        """Releases and policies."""
        ...

    @property
    def publications(self) -> Publications:
        """Signed metadata and ring maps."""
        ...

    @property
    def people(self) -> People:
        """Tokens, votes, audit."""
        ...

    @property
    def repeats(self) -> Repeats:
        """Keyed requests and their answers."""
        ...


class Store(Protocol):
    """Where the truth is."""

    def write(self, work: Callable[[Transaction], T], *, stopping: bool = False) -> Future[T]:
        """Do `work` in a write transaction; the future resolves after the commit.

        Several pieces of work may share one commit; one that raises is undone alone and its future
        carries the error. BusyError when the queue is full or it waited too long, DiskFullError when there
        is no room (work that is `stopping` takes the room that was kept back), SurroundingsError when the
        store fails.
        """
        ...

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Do `work` in a short read transaction (a snapshot); writing in it is an error."""
        ...

    def version(self) -> int:
        """A number that changes when another process has committed."""
        ...
