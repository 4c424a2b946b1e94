"""Ports chosen before a server starts, and kept for it while it is down.

Without this a port learned by binding to 0 may be given to somebody's outgoing connection while
its server restarts.
"""

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
    held: socket.socket | None

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
            except BaseException:
                held.close()
                raise
        except OSError as error:
            raise SurroundingsError(
                f"the {purpose} cannot listen on {host}:{port}: {error.strerror or error}; "
                "end what uses it, or choose another port (0 takes a free one)",
                slug="port-taken",
            ) from error
        if sys.platform == "linux":
            return cls(host, chosen, held)
        held.close()
        return cls(host, chosen, None)

    def close(self) -> None:
        """Give the port back."""
        if self.held is not None:
            self.held.close()
