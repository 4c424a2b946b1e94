"""The vendor's telemetry pipeline: beats of many hosts in gzipped batches, under one token.

Every quarter of a heartbeat it sends the hosts whose turn it is, and those to whom something
happened. A batch that is refused or lost is dropped; its hosts beat anew in the next one, as hosts do.
"""

import asyncio
import contextlib
import gzip
from random import Random
from typing import Any

import msgspec

from rollout.adapters.clock import SystemClock
from rollout.errors import UnreachableError
from rollout.simulation.swarm.client import Client
from rollout.simulation.swarm.faults import Blinding
from rollout.simulation.swarm.host import SimulatedHost
from rollout.simulation.swarm.truth import Truth

SLOTS = 4
"""Batches in one heartbeat."""
_LARGEST = 10_000  # beats in a batch (INTERFACES 1.3)
_LONGEST_PAUSE = 5.0  # seconds between attempts while the gateway does not take beats


class Taken(msgspec.Struct):
    """The gateway's 202 to a batch; `rings` of hosts whose ring changed."""

    next_beat: float = 0.0
    rings: dict[str, dict[str, str]] = {}
    unknown: list[str] = []


class Collector:
    """Sends beats until stopped; `changed` asks for a host's beat in the next batch."""

    def __init__(
        self, client: Client, token: str, hosts: list[SimulatedHost], heartbeat: float, truth: Truth, chance: Random
    ) -> None:
        self._client = client
        self._fields = {"authorization": f"Bearer {token}", "content-encoding": "gzip"}
        self._hosts = hosts
        self._heartbeat = heartbeat
        self._truth = truth
        self._chance = chance
        self._clock = SystemClock()
        self._urgent: dict[str, SimulatedHost] = {}
        self._parting: list[dict[str, Any]] = []
        self._silenced: set[str] = set()
        self._pause = 0.0

    def changed(self, host: SimulatedHost) -> None:
        """Beat for this host with the next batch, whatever its turn."""
        self._urgent[host.name] = host

    def blind(self, blinding: Blinding) -> None:
        """Stop forwarding the beats of a share of the control hosts, from now on."""
        control = [host for host in self._hosts if host.adoption is None]
        self._silenced = {host.name for host in self._chance.sample(control, round(len(control) * blinding.share))}
        self._truth.blinded = self._clock.now()

    def announce(self, host: SimulatedHost, now: float) -> None:
        """Take a last beat of a host that goes to sleep; it leaves with the next batch."""
        if host.name not in self._silenced:
            self._parting.append(host.beat(now, sleeping=True))

    async def run(self, stopped: asyncio.Event) -> None:
        """One slot after the other, at a steady pace, until `stopped`."""
        slot, due = 0, self._clock.elapsed()
        while not stopped.is_set():
            await self.flush(slot)
            slot = (slot + 1) % SLOTS
            now = self._clock.elapsed()
            due = max(due + self._heartbeat / SLOTS, now - self._heartbeat)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), max(0.0, due - now) + self._pause)

    async def flush(self, slot: int) -> None:
        """Send the beats of one slot's hosts and of those to whom something happened."""
        urgent, self._urgent = self._urgent, {}
        turn = {host.name: host for host in self._hosts[slot::SLOTS]}
        due = [host for host in {**turn, **urgent}.values() if host.up and host.name not in self._silenced]
        now = self._clock.elapsed()
        parting, self._parting = self._parting, []
        if parting and not await self._send(parting):
            self._parting = parting + self._parting
        for start in range(0, len(due), _LARGEST):
            part = due[start : start + _LARGEST]
            if not await self._send([host.beat(now) for host in part]):
                self._urgent = {host.name: host for host in part} | self._urgent

    async def _send(self, beats: list[dict[str, Any]]) -> bool:
        body = gzip.compress(msgspec.json.encode({"beats": beats}), compresslevel=1, mtime=0)
        try:
            answer = await self._client.post("/v1/beats", body, self._fields)
        except UnreachableError:
            return self._refused("beats unreachable", None)
        if answer.status != 202:
            return self._refused(f"beats {answer.status}", answer.retry_after)
        try:
            taken = msgspec.json.decode(answer.body, type=Taken)
        except msgspec.DecodeError:
            return self._refused("beats: the answer is not of its form", None)
        self._accept(taken, len(beats))
        return True

    def _accept(self, taken: Taken, sent: int) -> None:
        self._pause = 0.0
        self._truth.beats += sent
        if taken.unknown:
            self._truth.troubles["unknown host"] += len(taken.unknown)
        if taken.next_beat > 0:
            self._heartbeat = min(self._heartbeat, taken.next_beat)

    def _refused(self, why: str, retry_after: float | None) -> bool:
        self._truth.troubles[why] += 1
        longer = min(_LONGEST_PAUSE, max(0.25, 2 * self._pause)) * self._chance.uniform(0.5, 1.0)
        self._pause = longer if retry_after is None else retry_after
        return False
