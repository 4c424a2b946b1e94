"""A believable fleet, the same for the same seed: names, attributes, baselines and keys."""

import hashlib
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rollout.simulation.swarm.host import SimulatedHost

T = TypeVar("T")

_FORMS = {"desktop": 0.50, "laptop": 0.35, "server": 0.15}
_BUILDS = {22631: 0.7, 26100: 0.3}
_SITES = ("yul", "fra", "nrt", "gru", "syd")
_ROLES = {"desktop": ("office", "kiosk"), "laptop": ("office", "field"), "server": ("database", "web")}


@dataclass(slots=True)
class Member:
    """A simulated host with what enrols and signs for it."""

    host: SimulatedHost
    attributes: dict[str, Any]
    key: Ed25519PrivateKey
    told_rings: dict[str, str] = field(default_factory=dict)
    """Where the server said to look (INTERFACES 1.2: a hint)."""


def fleet(count: int, seed: int, product: str, baselines: tuple[int, ...], now: float) -> list[Member]:
    """`count` hosts, up since some hours; each runs one of `baselines`, chosen by the seed."""
    chance = Random(seed)  # noqa: S311 - a simulation must be repeatable
    return [_member(number, seed, product, chance.choice(baselines), now, chance) for number in range(count)]


def _member(number: int, seed: int, product: str, running: int, now: float, chance: Random) -> Member:
    name = f"h-{number:06d}"
    form = _pick(_FORMS, chance)
    attributes = {
        "os_build": _pick(_BUILDS, chance),
        "hardware": "model-a",
        "form": form,
        "site": chance.choice(_SITES),
        "role": chance.choice(_ROLES[form]),
        "tenant": "acme",
        "tags": [],
    }
    host = SimulatedHost(name, product, running, booted_at=now - chance.uniform(3600.0, 10 * 86400.0))
    key = hashlib.sha256(f"simulated key|{seed}|{name}".encode()).digest()  # guards nothing but the simulation
    return Member(host, attributes, Ed25519PrivateKey.from_private_bytes(key))


def _pick(shares: dict[T, float], chance: Random) -> T:
    return chance.choices(list(shares), list(shares.values()))[0]
