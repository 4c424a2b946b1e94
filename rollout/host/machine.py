"""The machine under the agent: which boot this is, and for how long it has been up."""

import secrets
from pathlib import Path
from typing import Protocol

from rollout.adapters.clock import SystemClock, suspended
from rollout.errors import SurroundingsError

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Machine(Protocol):
    """What an agent must be told by its system."""

    @property
    def boot(self) -> str:
        """An opaque id of this boot, the same until the next one."""
        ...

    def uptime(self) -> float:
        """Seconds since this boot."""
        ...

    def suspended(self) -> float:
        """Seconds slept since this boot; how a machine that woke up is known."""
        ...


class LinuxMachine:
    """This machine; SurroundingsError where the kernel gives no boot id."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        try:
            self.boot = _BOOT_ID.read_text(encoding="ascii").strip()
        except OSError as error:
            detail = f"the kernel gives no boot id ({error.strerror}); --start-is-boot takes each start for a boot"
            raise SurroundingsError(detail, slug="no-boot-id") from error

    def uptime(self) -> float:
        """Seconds since this boot, suspend included."""
        return self._clock.elapsed()

    def suspended(self) -> float:
        """Seconds slept since this boot."""
        return suspended()


class EachStart:
    """A machine whose boot is this process: for containers, and for trying on one machine what a crash does."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._began = self._clock.elapsed()
        self.boot = secrets.token_hex(8)

    def uptime(self) -> float:
        """Seconds since this process started."""
        return self._clock.elapsed() - self._began

    def suspended(self) -> float:
        """Seconds slept since the machine was started."""
        return suspended()
