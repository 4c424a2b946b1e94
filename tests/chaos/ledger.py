"""What the gateway acknowledged: every 2xx that the fleet received, written down where it arrives."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rollout.adapters.clock import SystemClock
from rollout.simulation.swarm.client import Client
from rollout.simulation.swarm.connection import Answer


@dataclass(frozen=True, slots=True)
class Go:
    """A go that reached its host; `asked` in seconds of this machine's boot-time clock."""

    host: str
    counter: int
    adoption: str
    asked: float


@dataclass(slots=True)
class Ledger:
    """Acknowledged messages by host. Written by the fleet's thread alone; entries are only ever added."""

    enrolled: dict[str, str] = field(default_factory=dict)
    """The public key, as text."""
    beats: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The newest acknowledged beat."""
    crashes: dict[str, set[str]] = field(default_factory=dict)
    goes: list[Go] = field(default_factory=list)

    def copy(self) -> "Ledger":
        """Return what was acknowledged until now; a store that is read later knows all of it."""
        crashes = {host: set(reports) for host, reports in list(self.crashes.items())}
        return Ledger(dict(self.enrolled), dict(self.beats), crashes, list(self.goes))

    def connect(self, base: str, connections: int) -> Client:
        """Make a pool of connections whose acknowledged messages are written down."""
        return _Recording(base, connections, self)

    def took(self, path: str, message: dict[str, Any], reply: dict[str, Any], asked: float) -> None:
        """Write down one message that was answered 2xx."""
        match path:
            case "/v1/hosts":
                self.enrolled[message["host"]] = message["public_key"]
            case "/v1/beats":
                unknown = set(reply.get("unknown", ()))
                for beat in message.get("beats", [message]):
                    known = self.beats.get(beat["host"])
                    if beat["host"] not in unknown and (known is None or known["seq"] < beat["seq"]):
                        self.beats[beat["host"]] = beat
            case "/v1/crashes":
                self.crashes.setdefault(message["host"], set()).add(message["report"])
            case "/v1/adoptions" if reply["answer"] == "go":
                self.goes.append(Go(message["host"], message["release_counter"], reply["adoption"], asked))


class _Recording(Client):
    def __init__(self, base: str, connections: int, ledger: Ledger) -> None:
        super().__init__(base, connections)
        self._ledger = ledger
        self._clock = SystemClock()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        asked = self._clock.elapsed()
        answer = await super().post(path, body, headers)
        if 200 <= answer.status < 300:
            sent = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
            self._ledger.took(path, json.loads(sent), json.loads(answer.body or b"{}"), asked)
        return answer
