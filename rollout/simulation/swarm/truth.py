"""What really happened, as only the simulation knows it: counters for the view, times for the story."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Truth:
    """Counts of hosts and messages; times in Unix seconds, None where it has not happened."""

    hosts: int = 0
    enrolled: int = 0
    asked: int = 0
    went: int = 0
    """Answers `go` that a host received."""
    touched: int = 0
    """Hosts that loaded the candidate at least once."""
    harmed: int = 0
    """Hosts whose first failure came from the fault."""
    crashed: int = 0
    """Crashes, of whatever cause, without deaths."""
    dead: int = 0
    asleep: int = 0
    reverted: int = 0
    back: int = 0
    """Hosts that a rollback directive brought back."""
    beats: int = 0
    """Beats that the gateway accepted."""
    crashes_accepted: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """Answers to questions, `no` with its reason."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Hosts' own refusals of metadata, by reason code."""
    troubles: Counter[str] = field(default_factory=Counter)
    """Requests that were not accepted, by kind and status."""
    running: Counter[int] = field(default_factory=Counter)
    """Living hosts by the counter they run."""
    first_go: float | None = None
    last_go: float | None = None
    first_failure: float | None = None
    last_failure: float | None = None
    first_accepted: float | None = None
    """When the gateway first took a report of a crash by the fault."""
    last_back: float | None = None
    blinded: float | None = None

    def view(self) -> dict[str, Any]:
        """A plain copy, for a live view or JSON."""
        return {
            name: dict(value) if isinstance(value := getattr(self, name), Counter) else value for name in self.__slots__
        }
