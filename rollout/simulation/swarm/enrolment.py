"""Enrolling a whole fleet, with patience."""

import asyncio

from rollout.errors import UnreachableError
from rollout.host.messages import Enrolled
from rollout.simulation.swarm.fleet import Member
from rollout.simulation.swarm.speech import Speech
from rollout.simulation.swarm.truth import Truth

_AT_ONCE = 16
_ATTEMPTS = 60  # half a second apart: a gateway that restarts is back within seconds
_PAUSE_SECONDS = 0.5


async def enrol_all(speech: Speech, members: list[Member], truth: Truth) -> None:
    """Enrol every member; raises what the last attempt of a member raised."""
    waiting = iter(members)

    async def enrol_some() -> None:
        for member in waiting:
            enrolled = await _enrol(speech, member, truth)
            member.told_rings = enrolled.rings
            truth.enrolled += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(enrol_some())


async def _enrol(speech: Speech, member: Member, truth: Truth) -> Enrolled:
    for _ in range(_ATTEMPTS - 1):
        try:
            return await speech.enrol(member)
        except UnreachableError:
            truth.troubles["enrolment"] += 1
            await asyncio.sleep(_PAUSE_SECONDS)
    return await speech.enrol(member)
