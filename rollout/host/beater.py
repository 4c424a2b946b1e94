"""Beats: what this host runs, said at its interval and whenever it changed, also while an installer is at work.

An announced sleep is the last word until the machine is awake again: a beat after it would take it back.
"""

import contextlib
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

import msgspec

from rollout.adapters.clock import SystemClock
from rollout.errors import RolloutError, UnreachableError
from rollout.host import messages
from rollout.host.door import Door
from rollout.host.folder import Sequence
from rollout.host.machine import Machine
from rollout.host.messages import MOST_SECONDS, Absence, Heard
from rollout.host.presence import Presence
from rollout.host.saying import Saying
from rollout.host.spool import Spool

_AGAIN_SECONDS = 5.0  # after a beat that was not taken; sooner where the interval is shorter
_AWAKE_SECONDS = 1.0  # slept for so long, it has slept
_LOOK_SECONDS = 0.5
STAYS_INTERVALS, STAYS_SECONDS = 2.0, 120.0  # up for the smaller of both: it did not go. 3 intervals would be dark

Calls = SimpleQueue[Absence | None]
"""Wakes the beats: None: something changed; else what the machine is about to do. A signal's handler may put it."""


class Beater:
    """Sends beats as `host`; `present` is asked at each. `away`: what was announced, None while it is here."""

    def __init__(
        self,
        host: str,
        door: Door,
        sequence: Sequence,
        machine: Machine,
        spool: Spool,
        interval: float,
        present: Callable[[], Presence],
        say: Callable[[str], None],
        calls: Calls,
    ) -> None:
        self._host = host
        self._door = door
        self._sequence = sequence
        self._machine = machine
        self._spool = spool
        self.interval = interval
        """Seconds until the next beat, as last answered."""
        self._present = present
        self._say = say
        self._saying = Saying(say)
        self._calls = calls
        self.away: Absence | None = None
        self._slept = 0.0
        self._clock = SystemClock()
        self._turn = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="beats", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self.soon()
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether beats go on."""
        return self._thread.is_alive()

    def soon(self) -> None:
        """Something changed: do not wait for the interval."""
        self._calls.put(None)

    def beat(self) -> bool:
        """Send one beat and the crash reports that wait; whether the beat was taken. Never raises for the network."""
        with self._turn:
            try:
                self._send()
                self._spool.send()
            except (RolloutError, OSError) as error:
                self._saying.tell("gateway", str(error))
                return False
            self._saying.tell("gateway", "", over="the gateway takes beats again")
            return True

    def _send(self) -> None:
        now = self._present()
        body = messages.beat(
            self._host,
            self._machine.boot,
            self._sequence.take(),
            self._machine.uptime(),
            now.running,
            adoption=now.adoption,
            phase=now.phase,
            sleeping=self.away == "sleeping",
            leaving=self.away == "leaving",
            measures=now.measures,
        )
        answer = self._door.post("/v1/beats", body)
        if answer.status != 202:
            said = answer.body[:300].decode("utf-8", "replace")
            raise UnreachableError(f"the gateway answered a beat with {answer.status}: {said}")
        with contextlib.suppress(msgspec.DecodeError):
            told = msgspec.json.decode(answer.body, type=Heard).next_beat
            if 0 < told <= MOST_SECONDS:
                self.interval = told

    def _run(self) -> None:
        while not self._ended:
            taken = self.beat()
            if taken and self.away is not None:
                self._stay_silent(self.away)
            else:
                self._wait(self.interval if taken else min(self.interval, _AGAIN_SECONDS))

    def _wait(self, seconds: float) -> None:
        """Wait so long, or until somebody calls."""
        with contextlib.suppress(Empty):
            self._hear(self._calls.get(timeout=seconds))
            while True:
                self._hear(self._calls.get_nowait())

    def _hear(self, call: Absence | None) -> None:
        if call is not None:
            self.away, self._slept = call, self._machine.suspended()

    def _stay_silent(self, absence: Absence) -> None:
        """Say nothing until the machine has slept and is awake, another absence is announced, or it stayed up."""
        self._say(f"{absence} is announced")
        until = self._clock.elapsed() + min(STAYS_INTERVALS * self.interval, STAYS_SECONDS)
        while not self._ended and self._machine.suspended() - self._slept < _AWAKE_SECONDS:
            call: Absence | None = None
            with contextlib.suppress(Empty):
                call = self._calls.get(timeout=_LOOK_SECONDS)
            if call is not None:
                self._hear(call)
                return
            if self._clock.elapsed() > until:
                break
        self.away = None
