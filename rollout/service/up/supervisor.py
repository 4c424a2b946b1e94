"""The supervisor: keeps the children running, notices when the service is ready, ends them in order.

One thread and one loop. A child that dies is started again on the same port, and one that was stopped or is silent
is ended first (pulse.py). While the service has never been ready, one that dies again and again is an error to show,
not a loop to sit in.
"""

import signal
import time
from collections.abc import Callable, Sequence
from threading import Event
from types import FrameType

from rollout.errors import SurroundingsError
from rollout.service.up.child import Child

SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_BETWEEN_WORDS = 10.0
SECONDS_TO_END = 5.0  # for the roles together; all must be gone within 10 s of the signal
SECONDS_TO_END_LAST = 2.5  # for the engine, which is ended after them
DEATHS_BEFORE_READY = 5

Say = Callable[[str], None]


class Supervisor:
    """Children in the order they start; the first is ended last (the engine, where it is ours).

    `missing` says in words what the service still waits for, or None once it is ready.
    """

    def __init__(
        self, children: Sequence[Child], missing: Callable[[], str | None], on_ready: Callable[[], None], say: Say
    ) -> None:
        self._children = children
        self._missing = missing
        self._on_ready = on_ready
        self._say = say
        self._stop = Event()

    def run(self) -> None:
        """Run until SIGINT or SIGTERM; SurroundingsError if the service cannot start. Children are gone at the end."""
        before = {number: signal.signal(number, self._signalled) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._loop()
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _loop(self) -> None:
        was_ready = False
        told = time.monotonic()
        while not self._stop.is_set():
            for child in self._children:
                self._tend(child, was_ready)
            if not was_ready and (missing := self._missing()) is None:
                was_ready = True
                self._on_ready()
            elif not was_ready and time.monotonic() - told > SECONDS_BETWEEN_WORDS:
                told = time.monotonic()
                self._say(f"not ready yet: {missing}")
            self._stop.wait(SECONDS_BETWEEN_LOOKS)

    def _tend(self, child: Child, was_ready: bool) -> None:
        if (why := child.kill_if_lost()) is not None:
            self._say(f"{child.role.name} makes no progress, {why}: it is ended, since others may wait for its locks")
        ended = child.tend(time.monotonic())
        if ended is None:
            return
        self._say(f"{child.role.name} {ended} and is started again; its log: {child.log}")
        if not was_ready and child.deaths >= DEATHS_BEFORE_READY:
            raise SurroundingsError(f"{child.role.name} does not start:\n{child.last_words()}", slug="role-start")

    def _end(self) -> None:
        """End the roles together, then the first child: they still speak to it while they end."""
        for child in self._children[1:]:
            child.ask()
        deadline = time.monotonic() + SECONDS_TO_END
        for child in self._children[1:]:
            child.end(deadline)
        for child in self._children[:1]:
            child.ask()
            child.end(time.monotonic() + SECONDS_TO_END_LAST)

    def _signalled(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()
