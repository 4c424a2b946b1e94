"""Work that waits for the store's writer, and the usher that sends away what waited too long.

What blocks a writer (another process in the turnstile, a lock, a server that is silent) cannot be interrupted from
inside. So whoever waits behind it is told in time that nothing was written, and the piece is never begun afterwards.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rollout.errors import BusyError

if TYPE_CHECKING:
    from rollout.adapters.store.transaction import Transaction

LOOK_SECONDS = 0.25


@dataclass(slots=True)
class Piece:
    """Work and where its answer goes. `stopping`: may be written on the disk's last room."""

    work: "Callable[[Transaction], Any]"
    future: "Future[Any]"
    arrived: float
    stopping: bool = False
    _claim: threading.Lock = field(default_factory=threading.Lock)

    def claim(self) -> bool:
        """Begin it, or send it away: True for the one who asks first."""
        return self._claim.acquire(blocking=False)

    def resolve(self, answer: Any) -> None:
        """Give the answer, an exception included."""
        try:
            if isinstance(answer, BaseException):
                self.future.set_exception(answer)
            else:
                self.future.set_result(answer)
        except InvalidStateError:
            pass  # its caller went away; the commit stands


class Usher:
    """Sends pieces away that were not begun within `patience` seconds of the clock handed in."""

    def __init__(self, patience: float, elapsed: Callable[[], float]) -> None:
        self._patience = patience
        self._elapsed = elapsed
        self._line: deque[Piece] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-usher", daemon=True)
        self._thread.start()

    def expect(self, piece: Piece) -> None:
        """Watch a piece from now on; pieces come in the order of their arrival."""
        self._line.append(piece)

    def close(self) -> None:
        """Watch no longer."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            before = self._elapsed() - self._patience
            while self._line and self._line[0].arrived <= before:
                piece = self._line.popleft()
                if piece.claim():
                    late = f"the store did not take it within {self._patience:g} s; nothing was written, try again"
                    piece.resolve(BusyError(late, slug="busy"))
