"""Time, as an argument."""

from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that people read and one that measures."""

    def now(self) -> float:
        """Unix seconds, UTC; may jump."""
        ...

    def elapsed(self) -> float:
        """Seconds since some fixed moment of this machine; never jumps."""
        ...
