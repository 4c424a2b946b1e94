"""One performance on a running service: releases, a fleet, a rollout, its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rollout.adapters.clock import SystemClock
from rollout.errors import SurroundingsError, UnreachableError
from rollout.service.demo import scenarios
from rollout.service.demo.figures import Ending, homecoming
from rollout.service.demo.local import Places
from rollout.service.demo.operator import Happening, Operator, crash_module
from rollout.service.demo.scenarios import BASELINES, CANDIDATE, PRODUCT, Scenario
from rollout.service.demo.story import Story
from rollout.service.demo.view import View
from rollout.simulation.swarm.swarm import Settings, Swarm

T = TypeVar("T")
LOOK_SECONDS = 0.25
AWAY_SECONDS = 15.0  # the API is started again within 2 s; one that is away for longer ends the performance
OVER = frozenset({"rolled-back", "completed", "halted", "rejected"})


@dataclass(frozen=True, slots=True)
class Performance:
    """What is to be shown."""

    scenario: Scenario
    hosts: int
    seed: int
    fast: bool

    @property
    def heartbeat(self) -> float:
        """Seconds between a host's beats."""
        return scenarios.heartbeat_seconds(self.hosts)

    @property
    def longest_seconds(self) -> float:
        """A rollout that takes longer hangs: five times what a good one takes on two cores."""
        return 300.0 + self.hosts / 20


class Play:
    """One performance on a running service."""

    def __init__(self, shown: Performance, places: Places, story: Story, seen: View, folder: Path) -> None:
        self._shown = shown
        self._places = places
        self._story = story
        self._seen = seen
        self._folder = folder
        self._clock = SystemClock()
        self._operator = Operator(places)

    async def run(self) -> tuple[Ending, str | None]:
        """Release, fleet, rollout, end; what is known then, and the engine's page for looking closer."""
        page = await self._operator.engine_page()
        if page:
            self._story.note(self._clock.now(), f"debug view of the workflows: {page}")
        for counter in (*BASELINES, CANDIDATE):
            await self._operator.add_release(PRODUCT, counter, self._folder)
        swarm = await self._swarm()
        async with self._living(swarm):
            await self._gathered(swarm)
            origins = {name: member.host.running for name, member in swarm.members.items()}
            policy = scenarios.policy(self._shown.hosts, fast=self._shown.fast)
            release = f"{PRODUCT}/{CANDIDATE}"
            rollout = await self._operator.start(release, policy, f"demonstration: {self._shown.scenario.words}")
            self._story.note(self._clock.now(), f"{rollout} starts to roll out {release}")
            return await self._watch(rollout, swarm, origins), page

    async def _swarm(self) -> Swarm:
        settings = Settings(
            gateway=self._places.gateway,
            enrol_token=await self._operator.token("enrol"),
            collector_token=await self._operator.token("collector"),
            product=PRODUCT,
            baselines=BASELINES,
            module=crash_module(),
        )
        shown, beat = self._shown, self._shown.heartbeat
        fault, blinding = shown.scenario.blow(beat), shown.scenario.blinding
        return Swarm(settings, shown.hosts, shown.seed, fault, beat, blinding=blinding)

    @asynccontextmanager
    async def _living(self, swarm: Swarm) -> AsyncIterator[None]:
        """Let the fleet live; SurroundingsError where it stops by itself."""
        stopped = asyncio.Event()
        life = asyncio.create_task(swarm.run(stopped))
        stage = asyncio.current_task()
        life.add_done_callback(lambda _: None if stopped.is_set() or stage is None else stage.cancel())
        try:
            yield
        except asyncio.CancelledError:
            if life.done() and not life.cancelled() and (why := life.exception()) is not None:
                raise SurroundingsError(f"the fleet stopped: {_first(why)}", slug="demo-fleet") from why
            raise
        finally:
            stopped.set()
            life.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await life

    async def _gathered(self, swarm: Swarm) -> None:
        """Wait until every host is enrolled and was heard."""
        while not swarm.ready.is_set():
            self._seen.show(None, swarm.truth)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(swarm.ready.wait(), LOOK_SECONDS)
        running = ", ".join(f"{count} on release {counter}" for counter, count in sorted(swarm.truth.running.items()))
        self._story.note(self._clock.now(), f"{swarm.truth.hosts} hosts are enrolled and beat: {running}")

    async def _watch(self, rollout: str, swarm: Swarm, origins: Mapping[str, int]) -> Ending:
        """Look until the end state, or until it is clear that none will come."""
        due = self._clock.elapsed() + self._shown.longest_seconds
        blind_since: float | None = None
        while True:
            found, happenings = await self._patiently(lambda: self._look(rollout))
            self._story.see(swarm.truth)
            self._story.hear(happenings)
            self._seen.show(found, swarm.truth)
            now = self._clock.elapsed()
            blind_since = (blind_since or now) if found["verdict"] == "blind" else None
            looked = blind_since is not None and now - blind_since >= scenarios.BLIND_SECONDS
            if found["state"] in OVER or now > due or (looked and self._shown.scenario.blinding is not None):
                break
            await asyncio.sleep(LOOK_SECONDS)
        self._story.see(swarm.truth, ended=True)
        self._story.note(self._clock.now(), f"the fleet was told: {_counts(swarm.truth.answers)}")
        for name, count in (swarm.truth.refusals | swarm.truth.troubles).items():
            self._story.note(self._clock.now(), f"{count} times the fleet met: {name}")
        return Ending(
            self._shown.scenario,
            found,
            happenings,
            swarm.truth,
            homecoming(swarm.members.values(), origins),
            await self._operator.first_failed(rollout),
            in_time=now <= due,
        )

    async def _look(self, rollout: str) -> tuple[dict[str, Any], Sequence[Happening]]:
        """The rollout, and then all that led to it."""
        return await self._operator.look(rollout), await self._operator.decisions(rollout)

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Ask; an API that is being started again is asked again."""
        due = self._clock.elapsed() + AWAY_SECONDS
        while True:
            try:
                return await call()
            except UnreachableError:
                if self._clock.elapsed() > due:
                    raise
                await asyncio.sleep(LOOK_SECONDS)


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count} times" for name, count in sorted(found.items())) or "nothing"


def _first(error: BaseException) -> BaseException:
    """The first thing that went wrong inside of groups of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
