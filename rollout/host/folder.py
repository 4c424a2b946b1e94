"""An enrolled host's state folder: who it is, its key, its place for everything else. Nothing in it is taken on trust.

`agent.json` says where the gateway is and as whom to speak; `agent.key` is the private key (0600); `seq.json` keeps
beats ascending across restarts; `host.json` is what a check reads, written here as the installer says it.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from rollout.adapters.clock import SystemClock
from rollout.adapters.engine.lock import take
from rollout.adapters.trust.files import replace
from rollout.directive.facts import LARGEST
from rollout.errors import ConflictError, DamagedError
from rollout.host.state import HOST, read_host, read_object

AGENT, KEY, SEQ, ROOT, LOCK = "agent.json", "agent.key", "seq.json", "image-root.json", "agent.lock"
SCHEMA = "rollout.agent/1"
_BLOCK = 256  # beats for each write of `seq.json`


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this host is to which gateway. `director`, `image`: paths of the repositories there."""

    host: str
    gateway: str
    director: str
    image: str
    heartbeat: float
    attributes: Mapping[str, Any]


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Be the only agent of a state folder; the kernel lets go when its holder dies, however it dies."""
    descriptor = take(state / LOCK)
    if descriptor is None:
        raise ConflictError(f"an agent runs on {state}", slug="agent-running")
    try:
        yield
    finally:
        os.close(descriptor)


def read_identity(state: Path) -> Identity:
    """Whom this host speaks as; DamagedError where it is not enrolled, or the file is not of its form."""
    if not (state / AGENT).exists():
        raise DamagedError(f"{state} holds no enrolled host; `rollout host enrol` comes first", slug="not-enrolled")
    document = read_object(state / AGENT)
    beat, attributes = document.get("heartbeat"), document.get("attributes")
    texts = {name: document.get(name) for name in ("host", "gateway", "director", "image")}
    good = type(beat) in {int, float} and all(isinstance(text, str) for text in texts.values())
    if document.get("schema") != SCHEMA or not good or not isinstance(attributes, dict):
        raise DamagedError(f"{AGENT} is not of its form; enrol this host again")
    told = {name: str(text) for name, text in texts.items()}
    return Identity(**told, heartbeat=float(str(beat)), attributes=attributes)


def write_identity(state: Path, identity: Identity) -> None:
    """Keep it, durable before return."""
    document = {
        "schema": SCHEMA,
        "host": identity.host,
        "gateway": identity.gateway,
        "director": identity.director,
        "image": identity.image,
        "heartbeat": identity.heartbeat,
        "attributes": identity.attributes,
    }
    _store(state / AGENT, document)


def read_key(state: Path) -> Ed25519PrivateKey:
    """This host's key; DamagedError where it is absent, no key, or open to others."""
    path = state / KEY
    try:
        if path.stat().st_mode & 0o077:
            raise DamagedError(
                f"{path} can be read by others; `chmod 600` it, and rekey the host if it was", slug="key"
            )
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {error.strerror}", slug="key") from error
    except (ValueError, TypeError) as error:
        raise DamagedError(f"{path} holds no key; `rollout hosts rekey` and enrol again", slug="key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise DamagedError(f"{path} holds no Ed25519 key", slug="key")
    return key


def make_key(state: Path) -> Ed25519PrivateKey:
    """This host's key, made the first time."""
    if not (state / KEY).exists():
        key = Ed25519PrivateKey.generate()
        replace(state / KEY, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
    return read_key(state)


def write_installed(state: Path, installed: Mapping[str, int]) -> None:
    """Let `host.json` say what runs; the rest of it is a person's."""
    document = dict(read_object(state / HOST))
    if document.get("installed") != dict(installed):
        _store(state / HOST, {**document, "installed": dict(installed)})


def write_host(state: Path, host: str, attributes: Mapping[str, Any], installed: Mapping[str, int]) -> None:
    """What a check reads; what already runs is kept."""
    document: dict[str, Any] = {"host": host, "hardware": attributes["hardware"], "os_build": attributes["os_build"]}
    try:
        before: Mapping[str, int] = read_host(state).installed
    except DamagedError:
        before = installed
    _store(state / HOST, {**document, "installed": dict(before), "tags": list(attributes.get("tags", []))})


class Sequence:
    """`seq` of beats: ascending for the life of the key, through every kind of death.

    Numbers are taken in blocks, from the milliseconds since 1970 on: where the file is lost, the clock stands above
    whatever was counted; where the clock went back, the file does.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / SEQ
        self._next = self._limit = self._stored()

    def take(self) -> int:
        """The next number."""
        if self._next >= self._limit:
            self._limit = self._next + _BLOCK
            _store(self._path, {"next": self._limit})
        self._next += 1
        return self._next

    def _stored(self) -> int:
        """Where to go on: above what was stored, and above the clock, which goes faster than any host beats."""
        clock = int(SystemClock().now() * 1000)
        try:
            found = read_object(self._path).get("next")
        except DamagedError:
            return clock
        return max(clock, found) if type(found) is int and 0 <= found < LARGEST // 2 else clock


def _store(path: Path, document: Mapping[str, Any]) -> None:
    replace(path, json.dumps(document, sort_keys=True, indent=1).encode(), mode=0o600)
