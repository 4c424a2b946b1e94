"""Crash reports on their way: each host's report is sent until it is taken."""

import asyncio

from rollout.adapters.clock import SystemClock
from rollout.errors import UnreachableError
from rollout.simulation.swarm.fleet import Member
from rollout.simulation.swarm.life import Crash
from rollout.simulation.swarm.speech import Speech
from rollout.simulation.swarm.truth import Truth

_AT_ONCE = 4
_PAUSE_SECONDS = 0.5


class CrashPost:
    """A queue of reports and a few senders."""

    def __init__(self, speech: Speech, members: dict[str, Member], truth: Truth) -> None:
        self._speech = speech
        self._members = members
        self._truth = truth
        self._clock = SystemClock()
        self._queue: asyncio.Queue[Crash] = asyncio.Queue()

    def put(self, crash: Crash) -> None:
        """Send this report soon."""
        self._queue.put_nowait(crash)

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._send_some())

    async def _send_some(self) -> None:
        while True:
            crash = await self._queue.get()
            pause = await self._send(crash)
            while pause is not None:
                await asyncio.sleep(pause)
                pause = await self._send(crash)

    async def _send(self, crash: Crash) -> float | None:
        """Seconds until it must be tried again, or None where it was taken, or refused for good."""
        try:
            answer = await self._speech.report(self._members[crash.host.name], crash)
        except UnreachableError:
            self._truth.troubles["crashes unreachable"] += 1
            return _PAUSE_SECONDS
        if answer.status < 300:
            self._truth.crashes_accepted += 1
            if crash.by_fault and self._truth.first_accepted is None:
                self._truth.first_accepted = self._clock.now()
            return None
        self._truth.troubles[f"crashes {answer.status}"] += 1
        return answer.retry_after or _PAUSE_SECONDS if answer.status >= 500 else None
