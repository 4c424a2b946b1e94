"""What one caller may make a process hold, and for how long. Stated in docs/operating.md; one home of the numbers."""

import sys
from dataclasses import dataclass
from typing import Final

if sys.platform != "win32":
    import resource

MOST_FILES: Final = 65_536
RESERVED_FILES: Final = 256  # the store, packages, logs, the engine


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, bytes and connections; a connection beyond any of them is answered, where it can be, and closed."""

    connections: int = 8_192
    head_seconds: float = 10.0
    """From the first byte of a request, or from the start of the connection, to the end of its head."""
    head_bytes: int = 32 * 1024
    """Of a head; as much of trailers or of chunk extensions in a row."""
    head_fields: int = 100
    body_seconds: float = 20.0
    """For a body, and for the rest of one that was answered before it ended ..."""
    body_rate: float = 16 * 1024
    """... with one second more for so many bytes of it that came."""
    read_seconds: float = 30.0
    """For the reader to take what waits for it (64 KiB and more), with one second more for `body_rate` bytes of it."""
    pipelined: int = 16
    """Requests that were sent before the answer to the one before."""


def affordable(limits: Limits) -> int:
    """Raise the number of files this process may open as far as it is allowed to; the connections that fit."""
    if sys.platform == "win32":
        return limits.connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft == resource.RLIM_INFINITY:
        return limits.connections
    return max(16, min(limits.connections, soft - RESERVED_FILES))
