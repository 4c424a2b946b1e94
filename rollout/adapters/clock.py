"""The machine's clocks: the one place that reads them.

A wall clock that steps is not believed at once. The clock that counts since boot does not step, so it says what time
it must be, until the step has lasted for a quarter of an hour. A clock that was an hour ahead for a minute would
else sign leases that hosts refuse for an hour, the way back among them (docs/adr/0009).
"""

import logging
import threading
import time
from collections.abc import Callable

STEP_SECONDS = 60.0  # half of what a host allows (INTERFACES section 2, line 3); smaller ones are followed
BELIEVED_AFTER_SECONDS = 900.0

log = logging.getLogger(__name__)


def _since_boot() -> float:
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def suspended() -> float:
    """Seconds that this machine has slept since it was started; 0 where the system does not tell."""
    return max(0.0, _since_boot() - time.monotonic())


class SystemClock:
    """The clock port on this machine. A process believes the wall clock that it finds when it first asks."""

    def __init__(self, wall: Callable[[], float] | None = None, since_boot: Callable[[], float] = _since_boot) -> None:
        self._wall = wall
        self._since_boot = since_boot
        self._lock = threading.Lock()
        self._boot: float | None = None  # unix seconds at which `elapsed` was 0, as believed
        self._other: tuple[float, float] | None = None  # as the wall clock says instead, and since when (elapsed)

    def now(self) -> float:
        """Unix seconds, UTC; follows a step of the wall clock when that has lasted."""
        with self._lock:
            elapsed = self._since_boot()
            boot = (time.time() if self._wall is None else self._wall()) - elapsed
            if self._boot is None or abs(boot - self._boot) <= STEP_SECONDS:
                self._boot, self._other = boot, None
            elif self._other is None or abs(boot - self._other[0]) > STEP_SECONDS:
                self._other = (boot, elapsed)
                log.warning("the wall clock stepped and is not believed yet", extra={"seconds": boot - self._boot})
            elif elapsed - self._other[1] >= BELIEVED_AFTER_SECONDS:
                log.warning("the wall clock's step has lasted and is believed", extra={"seconds": boot - self._boot})
                self._boot, self._other = boot, None
            return self._boot + elapsed

    def elapsed(self) -> float:
        """Seconds since some fixed moment; never jumps, counts suspend where the system can (Linux)."""
        return self._since_boot()
