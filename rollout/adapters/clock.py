"""The machine's clocks: the one place that reads them."""

import time


class SystemClock:
    """The clock port on this machine."""

    def now(self) -> float:
        """Unix seconds, UTC; may jump."""
        return time.time()

    def elapsed(self) -> float:
        """Seconds since some fixed moment; never jumps, counts suspend where the system can (Linux)."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()
