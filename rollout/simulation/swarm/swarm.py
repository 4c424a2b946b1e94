"""The swarm: one asyncio process that is a whole fleet, seen from the gateway.

`Swarm(settings, hosts, …).run(stopped)` enrols the hosts, beats for them, polls the rings' metadata
and lets each host act on its own check. `truth` may be read at any time.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from rollout.adapters.clock import SystemClock
from rollout.directive.refusal import RefusedError
from rollout.errors import UnreachableError
from rollout.simulation.swarm.client import Client
from rollout.simulation.swarm.collector import SLOTS, Collector
from rollout.simulation.swarm.crash_post import CrashPost
from rollout.simulation.swarm.directives import Directed, Directives
from rollout.simulation.swarm.enrolment import enrol_all
from rollout.simulation.swarm.faults import Background, Blinding, Fault, Measured
from rollout.simulation.swarm.fleet import Member, fleet
from rollout.simulation.swarm.host import Event, SimulatedHost, Stage
from rollout.simulation.swarm.life import Life, Reactions
from rollout.simulation.swarm.metadata import Metadata
from rollout.simulation.swarm.package import Packages
from rollout.simulation.swarm.question import Questions
from rollout.simulation.swarm.speech import Speech
from rollout.simulation.swarm.timeline import Timeline
from rollout.simulation.swarm.truth import Truth

_TICK_SECONDS = 0.02
_LOOKS_AT_ONCE = 100  # host checks between two turns of the event loop: some ten milliseconds


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the service is, and what the fleet is to it."""

    gateway: str
    """Base URL, plain http."""
    enrol_token: str
    collector_token: str
    product: str
    baselines: tuple[int, ...] = (1, 2)
    """Release counters that hosts run at the start, chosen by the seed."""
    module: dict[str, Any] | None = None
    """`module` of a crash by the fault: the candidate's image as a dump shows it."""
    image_root: bytes | None = None
    """The pinned root of the Image repository; None takes the first one served, which only loopback may be asked."""
    questions_per_second: float = 400.0
    """Pace of the whole fleet's questions; a host asks later than it may, never sooner."""
    connections: int = 32
    poll_seconds: float = 1.0
    """Each ring's metadata is fetched once in this time, for all of its hosts."""
    measured: Measured | None = None


class Swarm:
    """A fleet of `hosts` simulated hosts that will meet `fault` when they load a candidate.

    `connect` makes its two pools of connections: whoever must know what the gateway took listens there.
    """

    def __init__(
        self,
        settings: Settings,
        hosts: int,
        seed: int,
        fault: Fault,
        heartbeat: float,
        *,
        directives: Directives | None = None,
        background: Background | None = None,
        blinding: Blinding | None = None,
        connect: Callable[[str, int], Client] = Client,
    ) -> None:
        self._settings = settings
        self._background = background or Background()
        self._blinding = blinding
        self._clock = SystemClock()
        self._chance = Random(seed)  # noqa: S311 - a simulation must be repeatable
        self.truth = Truth(hosts=hosts)
        self.ready = asyncio.Event()
        """Set once every host is enrolled and has beaten once."""
        self.members = self._fleet(hosts, seed)
        self._timeline = Timeline()
        self._client = connect(settings.gateway, settings.connections)
        # Beats have their own connection: questions in a queue must never make a fleet look dark.
        self._beat_client = connect(settings.gateway, 2)
        self._directives = directives or Metadata(self._client, settings.gateway, settings.product, settings.image_root)
        self._speech = Speech(self._client, settings.enrol_token, settings.module)
        self._collector = self._collecting(heartbeat)
        self._crashes = CrashPost(self._speech, self.members, self.truth)
        self._life = self._living(fault)
        self._questions = self._asking(heartbeat)

    def _fleet(self, hosts: int, seed: int) -> dict[str, Member]:
        """The members by name; the same fleet may have beaten here before: its new beats stand above the old."""
        members = fleet(hosts, seed, self._settings.product, self._settings.baselines, self._clock.elapsed())
        for member in members:
            member.host.seq = int(self._clock.now() * 1000)
            member.host.measured = self._settings.measured
        self.truth.running.update(member.host.running for member in members)
        return {member.host.name: member for member in members}

    def _collecting(self, heartbeat: float) -> Collector:
        hosts = [member.host for member in self.members.values()]
        return Collector(self._beat_client, self._settings.collector_token, hosts, heartbeat, self.truth, self._chance)

    def _living(self, fault: Fault) -> Life:
        told = Reactions(self._collector.changed, self._collector.announce, self._crashes.put, self._recheck)
        return Life(self._timeline, fault, self._chance, self.truth, told)

    def _asking(self, heartbeat: float) -> Questions:
        return Questions(
            self._speech,
            Packages(self._client),
            self.truth,
            per_second=self._settings.questions_per_second,
            heartbeat=heartbeat,
            look=self._look,
            gone=self._gone,
        )

    async def run(self, stopped: asyncio.Event) -> None:
        """Enrol, then live until `stopped`; raises what enrolment raises."""
        async with self._client, self._beat_client:
            await enrol_all(self._speech, list(self.members.values()), self.truth)
            for slot in range(SLOTS):
                await self._collector.flush(slot)
            self.ready.set()
            self._life.begin_background([member.host for member in self.members.values()], self._background)
            async with asyncio.TaskGroup() as group:
                loops = (
                    self._collector.run(stopped),
                    self._crashes.run(),
                    self._questions.run(),
                    self._poll(),
                    self._tick(),
                )
                tasks = [group.create_task(loop) for loop in loops]
                await stopped.wait()
                for task in tasks:
                    task.cancel()

    async def _tick(self) -> None:
        while True:
            self._timeline.run(self._clock.elapsed())
            await asyncio.sleep(_TICK_SECONDS)

    async def _poll(self) -> None:
        while True:
            began = self._clock.elapsed()
            try:
                changed = await self._directives.poll()
            except UnreachableError:
                self.truth.troubles["metadata unreachable"] += 1
            else:
                await self._look_again(changed)
            await asyncio.sleep(max(0.05, began + self._settings.poll_seconds - self._clock.elapsed()))

    async def _look_again(self, rings: frozenset[str]) -> None:
        """Let the hosts of these rings look, in a random order, with room for beats in between."""
        members = [member for member in self.members.values() if self._directives.ring_of(member) in rings]
        self._chance.shuffle(members)
        for number, member in enumerate(members):
            self._look(member)
            if number % _LOOKS_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _recheck(self, host: SimulatedHost) -> None:
        self._look(self.members[host.name])

    def _look(self, member: Member) -> Directed | None:
        """One host's check and what follows at once; the install it is to ask for, if any."""
        host = member.host
        if not host.up:
            return None
        directed = self._checked(member)
        wanted = directed if directed is not None and directed.action == "install" else None
        if wanted is not None and wanted.release_counter in host.settled:
            wanted = None
        if host.stage is Stage.DIRECTED and (wanted is None or wanted.release_counter != host.candidate):
            host.withdraw()
        if directed is not None and directed.action == "rollback" and host.can(Event.ROLL_BACK):
            self._life.roll_back(host, directed.release_counter)
        if wanted is not None and host.stage is Stage.IDLE:
            host.direct(wanted.release_counter)
            self._questions.put(member)
        return wanted

    def _checked(self, member: Member) -> Directed | None:
        try:
            return self._directives.directed(member)
        except RefusedError as refused:
            self.truth.refusals[refused.code] += 1
            return None

    def _gone(self, member: Member, directed: Directed, until: float) -> None:
        """A `go`: apply, unless it ends, or the metadata turns, before the moment of activation."""
        self.truth.went += 1
        self.truth.last_go = self._clock.now()
        if self.truth.first_go is None:
            self.truth.first_go = self.truth.last_go
            self._blind_later()
        self._life.apply(member.host, partial(self._may_load, member, directed, until))

    def _may_load(self, member: Member, directed: Directed, until: float, _host: SimulatedHost) -> bool:
        now = self._checked(member)
        return (
            now is not None
            and (now.action, now.release_counter, now.sha256)
            == (directed.action, directed.release_counter, directed.sha256)
            and self._clock.now() < now.lease_until
            and self._clock.elapsed() < until
        )

    def _blind_later(self) -> None:
        if (blinding := self._blinding) is not None:
            due = self._clock.elapsed() + blinding.after_seconds
            self._timeline.at(due, lambda _now: self._collector.blind(blinding))
