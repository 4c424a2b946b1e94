"""Beats: what this host runs, said at its interval and whenever it changed, also while an installer is at work."""

import contextlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec

from rollout.errors import RolloutError, UnreachableError
from rollout.host import messages
from rollout.host.door import Door
from rollout.host.folder import Sequence
from rollout.host.machine import Machine
from rollout.host.messages import MOST_SECONDS, Heard
from rollout.host.presence import Presence
from rollout.host.spool import Spool

_AGAIN_SECONDS = 5.0  # after a beat that was not taken; sooner where the interval is shorter


class Beater:
    """Sends beats as `host`; `present` is asked at each."""

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
        self._trouble = ""
        self._turn = threading.Lock()
        self._wake = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="beats", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._wake.set()
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether beats go on."""
        return self._thread.is_alive()

    def soon(self) -> None:
        """Something changed: do not wait for the interval."""
        self._wake.set()

    def beat(self) -> bool:
        """Send one beat and the crash reports that wait; whether the beat was taken. Never raises for the network."""
        with self._turn:
            try:
                self._send()
                self._spool.send()
            except (RolloutError, OSError) as error:
                self._complain(str(error))
                return False
            self._complain("")
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
            self._wake.clear()
            taken = self.beat()
            self._wake.wait(self.interval if taken else min(self.interval, _AGAIN_SECONDS))

    def _complain(self, trouble: str) -> None:
        """Say a trouble once, and that it is over once."""
        if trouble != self._trouble:
            self._say(trouble or "the gateway takes beats again")
            self._trouble = trouble
