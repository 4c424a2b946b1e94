"""Asking: hosts whose metadata says install put their question, in the order they are due."""

import asyncio
import heapq
from collections.abc import Callable

import msgspec

from rollout.adapters.clock import SystemClock
from rollout.errors import UnreachableError
from rollout.host.messages import Reply
from rollout.simulation.swarm.directives import Directed
from rollout.simulation.swarm.fleet import Member
from rollout.simulation.swarm.host import Event, Stage
from rollout.simulation.swarm.package import Packages
from rollout.simulation.swarm.speech import Speech
from rollout.simulation.swarm.truth import Truth

_AT_ONCE = 16
_AGAIN_SECONDS = 1.0  # after no answer; a host that is refused looks again no sooner than a heartbeat


class Questions:
    """Paces the fleet's questions; `look` is the host's own check, `gone` starts to apply."""

    def __init__(
        self,
        speech: Speech,
        packages: Packages,
        truth: Truth,
        *,
        per_second: float,
        heartbeat: float,
        look: Callable[[Member], Directed | None],
        gone: Callable[[Member, Directed, float], None],
    ) -> None:
        self._speech = speech
        self._packages = packages
        self._truth = truth
        self._pace = 1.0 / per_second
        self._heartbeat = heartbeat
        self._look = look
        self._gone = gone
        self._clock = SystemClock()
        self._due: list[tuple[float, int, Member]] = []
        self._count = 0
        self._queued: set[str] = set()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def put(self, member: Member, after_seconds: float = 0.0) -> None:
        """Let this host ask then; once is enough."""
        if member.host.name not in self._queued:
            self._queued.add(member.host.name)
            self._count += 1
            heapq.heappush(self._due, (self._clock.elapsed() + after_seconds, self._count, member))

    async def run(self) -> None:
        """Ask until cancelled, never faster than the pace, never more than a few at once."""
        async with asyncio.TaskGroup() as group:
            allowed = self._clock.elapsed()
            while True:
                now = self._clock.elapsed()
                allowed = max(allowed, now - 0.1)  # what the loop slept too long it may catch up, a little
                if self._due and self._due[0][0] <= now and allowed <= now:
                    allowed += self._pace
                    await self._turns.acquire()
                    group.create_task(self._ask(heapq.heappop(self._due)[2]))
                else:
                    await asyncio.sleep(0.01)

    async def _ask(self, member: Member) -> None:
        self._queued.discard(member.host.name)
        try:
            directed = self._look(member)
            if directed is not None and member.host.stage is Stage.DIRECTED and await self._packages.have(directed):
                await self._exchange(member, directed)
        except UnreachableError:
            self._truth.troubles["package unreachable"] += 1
            self.put(member, _AGAIN_SECONDS)
        finally:
            self._turns.release()

    async def _exchange(self, member: Member, directed: Directed) -> None:
        host = member.host
        if not host.can(Event.ASK):
            return
        sent, boot = self._clock.elapsed(), host.boot
        host.ask()
        self._truth.asked += 1
        reply = await self._reply(member, directed)
        if host.stage is Stage.ASKED and host.boot == boot:  # else it crashed meanwhile and lost the answer
            self._obey(member, directed, reply, sent)

    async def _reply(self, member: Member, directed: Directed) -> Reply:
        """The gateway's reply; whatever else comes back is no answer, and means do not adopt."""
        try:
            answer = await self._speech.ask(member, directed)
            if answer.status == 200:
                return msgspec.json.decode(answer.body, type=Reply)
        except (UnreachableError, msgspec.DecodeError):
            self._truth.troubles["adoptions unreachable"] += 1
            return Reply("none")
        self._truth.troubles[f"adoptions {answer.status}"] += 1
        return Reply("none", retry_after=answer.retry_after)

    def _obey(self, member: Member, directed: Directed, reply: Reply, sent: float) -> None:
        self._truth.answers[f"no {reply.reason}" if reply.answer == "no" else reply.answer] += 1
        if reply.answer == "go" and reply.adoption is not None and self._clock.elapsed() < sent + reply.valid:
            member.host.go(reply.adoption)
            self._gone(member, directed, sent + reply.valid)
        elif reply.answer == "no":
            member.host.no(reply.reason)
            self.put(member, 2 * self._heartbeat)
        else:
            member.host.wait()
            self.put(member, _AGAIN_SECONDS if reply.retry_after is None else reply.retry_after)
