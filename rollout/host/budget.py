"""How long one check may wait: 25 s in all, of which 6 s not paid for by bytes.

A socket's own timeout starts anew with every byte, in the headers too, so a dripping server never meets
it. Here each wait is charged, less one second for every 4 KiB that came; both limits leave room below
the contract's 30 s and 10 s for what is not network.
"""

import ssl
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

WHOLE_SECONDS = 25.0
STALLED_SECONDS = 6.0
LOWEST_RATE = 4096  # bytes a second


class Budget:
    """The time one check has left, on a clock that never jumps."""

    def __init__(
        self, elapsed: Callable[[], float], whole: float = WHOLE_SECONDS, stalled: float = STALLED_SECONDS
    ) -> None:
        self._elapsed = elapsed
        self._ends = elapsed() + whole
        self._patience = stalled

    def left(self) -> float:
        """Seconds that the next wait may take; TimeoutError when there are none."""
        seconds = min(self._patience, self._ends - self._elapsed())
        if seconds <= 0:
            raise TimeoutError("the time for this check is spent")
        return seconds

    def wait(self, act: Callable[[float], Any], received: Callable[[Any], int]) -> Any:
        """Call `act` with the seconds it may take, and charge what it took beyond what it received."""
        began = self._elapsed()
        result = act(self.left())
        self._patience -= max(0.0, self._elapsed() - began - received(result) / LOWEST_RATE)
        return result


def _nothing(_: object) -> int:
    return 0


class BudgetStream(httpcore.NetworkStream):
    """A connection whose every wait is charged to a budget; the caller's own timeouts are ignored."""

    def __init__(self, stream: httpcore.NetworkStream, budget: Budget) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - httpcore's signature
        """Some bytes, or none at the end."""
        data: bytes = self._budget.wait(lambda seconds: self._stream.read(max_bytes, seconds), len)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - httpcore's signature
        """Send all of a (small) request."""
        self._budget.wait(lambda seconds: self._stream.write(buffer, seconds), _nothing)

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - httpcore's signature
    ) -> httpcore.NetworkStream:
        """The same connection under TLS; the handshake as a whole is one wait."""
        stream = self._budget.wait(
            lambda seconds: self._stream.start_tls(ssl_context, server_hostname, seconds), _nothing
        )
        return BudgetStream(stream, self._budget)

    def get_extra_info(self, info: str) -> Any:
        """Whatever the connection below says."""
        return self._stream.get_extra_info(info)


class BudgetBackend(httpcore.NetworkBackend):
    """Opens connections whose waits are charged to a budget."""

    def __init__(self, backend: httpcore.NetworkBackend, budget: Budget) -> None:
        self._backend = backend
        self._budget = budget

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect, as one wait."""
        stream = self._budget.wait(
            lambda seconds: self._backend.connect_tcp(host, port, seconds, local_address, socket_options), _nothing
        )
        return BudgetStream(stream, self._budget)
