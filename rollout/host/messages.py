"""What a host says to the gateway, and how it reads the answers (INTERFACES section 1): the agent's, and the swarm's.

Answers are read so that whatever is missing or of the wrong type is no `go`.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

MOST_SECONDS = 3600.0  # an answer that names a longer interval is not believed

Absence = Literal["sleeping", "leaving"]
"""What a host announces: suspend, or a shutdown for long (section 1.3)."""


class Reply(msgspec.Struct):
    """The answer to a question (section 1.4); absent fields make it no `go`."""

    answer: str
    adoption: str | None = None
    valid: float = 0.0
    retry_after: float | None = None
    reason: str = ""


class Enrolled(msgspec.Struct):
    """The answer to an enrolment (section 1.2)."""

    rings: dict[str, str] = {}
    heartbeat: float = 60.0
    director: str = "/metadata/director/"
    image: str = "/metadata/image/"


class Heard(msgspec.Struct):
    """The answer to a beat (section 1.3)."""

    next_beat: float


def enrolment(host: str, public_key: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an enrolment."""
    return {"host": host, "public_key": public_key, "attributes": attributes}


def beat(
    host: str,
    boot: str,
    seq: int,
    uptime: float,
    running: Mapping[str, int],
    *,
    adoption: str | None,
    phase: str,
    sleeping: bool = False,
    leaving: bool = False,
    measures: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """One beat; `phase` speaks of `adoption`."""
    said = {
        "host": host,
        "boot": boot,
        "seq": seq,
        "uptime": round(uptime, 3),
        "running": running,
        "adoption": adoption,
        "phase": phase,
        "sleeping": sleeping,
    }
    return said | ({"leaving": True} if leaving else {}) | ({"measures": measures} if measures else {})


def question(
    host: str, product: str, release_counter: int, sha256: str, *, boot: str, director_version: int
) -> dict[str, Any]:
    """May I adopt? `director_version` is the version of the ring's targets."""
    return {
        "host": host,
        "product": product,
        "release_counter": release_counter,
        "sha256": sha256,
        "boot": boot,
        "director_version": director_version,
    }
