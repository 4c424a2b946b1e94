"""The hall: everybody who is connected, in the order in which they would have to go.

When it is full, a newcomer takes the place of whoever has kept us waiting longest: first those who owe us bytes,
then those who do not read what we sent. Only where every connection is being worked on is a newcomer sent away.
"""

from typing import Protocol

from rollout.service.door.limits import Limits


class Guest(Protocol):
    """A connection."""

    def leave(self) -> None:
        """Go now; whatever is unsaid stays unsaid."""
        ...

    def look(self, now: float) -> None:
        """Check what is due; `now` is the loop's clock."""
        ...


class Hall:
    """Connections of one server; used from one event loop."""

    def __init__(self, limits: Limits, most: int) -> None:
        self.limits = limits
        self.most = most
        self.guests: set[Guest] = set()
        self.silent: dict[Guest, None] = {}
        """The next move is theirs; who moved last stands last."""
        self.deaf: dict[Guest, None] = {}
        """What we sent waits for them to read it."""

    def enter(self, guest: Guest) -> bool:
        """Take a newcomer in; False where there is no place that could be made free."""
        if len(self.guests) >= self.most and not self._make_room():
            return False
        self.guests.add(guest)
        self.silent[guest] = None
        return True

    def left(self, guest: Guest) -> None:
        """Forget a connection that is gone."""
        self.guests.discard(guest)
        self.silent.pop(guest, None)
        self.deaf.pop(guest, None)

    def theirs(self, guest: Guest) -> None:
        """The next move is the guest's, as of now."""
        self.silent.pop(guest, None)
        self.silent[guest] = None

    def ours(self, guest: Guest) -> None:
        """The guest asked; the next move is ours."""
        self.silent.pop(guest, None)

    def sweep(self, now: float) -> None:
        """Let each connection check what is due."""
        for guest in list(self.guests):
            guest.look(now)

    def _make_room(self) -> bool:
        for waiting in (self.silent, self.deaf):
            if waiting:
                oldest = next(iter(waiting))
                self.left(oldest)
                oldest.leave()
                return True
        return False
