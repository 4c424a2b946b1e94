"""Ports chosen before a server starts, and kept for it while it is down.

Without this a port learned by binding to 0 may be given to somebody's outgoing connection while
its server restarts. A bound port does not keep out another program that reserves it like this while nobody listens
there: two `up` on one machine would share it, and the one whose child restarts first would lose it for ever. So the
port's name is taken as well: a socket in Linux's abstract namespace, which one process can have and which ends with it.
"""

import errno
import socket
import sys
from dataclasses import dataclass
from typing import Self

from rollout.errors import SurroundingsError


@dataclass(frozen=True, slots=True)
class Reservation:
    """A port that is ours: bound on Linux until closed, never listened on, so that a child may listen there."""

    host: str
    port: int
    held: tuple[socket.socket, ...]

    @classmethod
    def of(cls, host: str, port: int, purpose: str) -> Self:
        """Reserve a port, 0 for any free one; SurroundingsError if another program has it.

        Linux lets a second socket bind and listen beside a bound one that does not listen, if both
        set SO_REUSEADDR, which every server here does; elsewhere the port is only learned.
        """
        try:
            family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            held = socket.socket(family, kind, proto)
            try:
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                held.bind(address)
                chosen = int(held.getsockname()[1])
                name = _named(chosen)
            except BaseException:
                held.close()
                raise
        except OSError as error:
            if port == 0 and error.errno == errno.EADDRINUSE:  # the system offers a port twice while nobody listens
                return cls.of(host, port, purpose)
            raise SurroundingsError(
                f"the {purpose} cannot listen on {host}:{port}: {error.strerror or error}; "
                "end what uses it, or choose another port (0 takes a free one)",
                slug="port-taken",
            ) from error
        if name is not None:
            return cls(host, chosen, (held, name))
        held.close()
        return cls(host, chosen, ())

    def close(self) -> None:
        """Give the port back."""
        for held in self.held:
            held.close()


def _named(port: int) -> socket.socket | None:
    """Take a port's name, whatever the address; OSError where somebody has it, None where the system has no such names.

    The name is of this network namespace, as the port is.
    """
    if sys.platform != "linux":
        return None
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0rollout-port-{port}")
    except BaseException:
        name.close()
        raise
    return name
