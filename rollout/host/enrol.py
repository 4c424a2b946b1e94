"""Enrolling this machine: a key of its own, the pinned root, and the gateway's word. Doing it again changes nothing.

The order keeps a death harmless: root and key are on disk before the gateway is asked, `agent.json`, without which
nothing runs, comes last.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec

from rollout.adapters.clock import SystemClock
from rollout.adapters.signature.signer import public_text
from rollout.adapters.trust.files import replace
from rollout.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    RolloutError,
    SurroundingsError,
    UnauthenticatedError,
    UnreachableError,
)
from rollout.host import journal, messages
from rollout.host.door import Answer, Door, origin
from rollout.host.fetch import CAPS, is_loopback
from rollout.host.folder import ROOT, Identity, alone, make_key, write_host, write_identity
from rollout.host.messages import MOST_SECONDS, Enrolled

_IMAGE = "metadata/image/"
_KINDS: Mapping[int, type[RolloutError]] = {401: UnauthenticatedError, 403: ForbiddenError, 409: ConflictError}


@dataclass(frozen=True, slots=True)
class Application:
    """What a person says of this machine. `image_root`: the pinned root of the Image repository.

    `installed`: what runs already, by product; the installer's word replaces it.
    """

    host: str
    gateway: str
    token: str
    attributes: Mapping[str, Any]
    image_root: bytes | None = None
    installed: Mapping[str, int] = field(default_factory=dict)
    new_journal: bool = False
    """Put a damaged journal aside: a person has looked at this host."""


def enrol(state: Path, asked: Application) -> Enrolled:
    """Enrol, or bring what the gateway knows of this host up to date.

    Raises:
        ConflictError: an agent runs here, another root is pinned, or the gateway knows this host under another key.
        InvalidError: no root is given and the gateway is not on this machine; or the gateway refuses the facts.
        UnreachableError: it does not answer.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(state):
        return _enrol(state, asked)


def _enrol(state: Path, asked: Application) -> Enrolled:
    key = make_key(state)
    door = Door(asked.gateway, asked.host, key)
    _pin(state, asked, door)
    body = messages.enrolment(asked.host, public_text(key), asked.attributes)
    said = _read(door.post("/v1/hosts", body, asked.token))
    heartbeat = said.heartbeat if 0 < said.heartbeat <= MOST_SECONDS else 60.0
    write_host(state, asked.host, asked.attributes, asked.installed)
    if asked.new_journal:
        journal.renew(state, int(SystemClock().now()))
    journal.create(state)
    places = (_same(door.url, said.director), _same(door.url, said.image))
    write_identity(state, Identity(asked.host, door.url, *places, heartbeat, asked.attributes))
    return said


def _pin(state: Path, asked: Application, door: Door) -> None:
    """One root, for good: who may change it could install anything."""
    path = state / ROOT
    if path.exists():
        if asked.image_root is not None and path.read_bytes() != asked.image_root:
            raise ConflictError(f"{path} pins another root; remove it by hand if that is right", slug="image-root")
        return
    root = asked.image_root
    if root is None:
        if not is_loopback(origin(asked.gateway)):
            detail = "the first root comes from a person, not from the network: give it with --image-root FILE"
            raise InvalidError(detail, slug="image-root")
        root = door.fetch(f"{_IMAGE}1.root.json", CAPS["root"])
    replace(path, root, mode=0o600)


def _read(answer: Answer) -> Enrolled:
    if answer.status in {200, 201}:
        try:
            return msgspec.json.decode(answer.body, type=Enrolled)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SurroundingsError(f"the gateway's answer is not of its form: {error}", slug="gateway") from None
    raise _refusal(answer)


def _refusal(answer: Answer) -> RolloutError:
    try:
        document = msgspec.json.decode(answer.body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        document = {}
    detail = str(document.get("detail") or f"the gateway answered {answer.status}")[:500]
    slug = str(document.get("type", "")).rpartition(":")[2] or "gateway"
    if answer.status >= 500:
        return UnreachableError(detail, slug=slug)
    return _KINDS.get(answer.status, InvalidError)(detail, slug=slug)


def _same(gateway: str, path: str) -> str:
    """A repository's URL; only this gateway's own, wherever the answer points."""
    url = urljoin(gateway, path)
    if urlsplit(url)[:2] != urlsplit(gateway)[:2]:
        raise SurroundingsError(f"the gateway points to metadata on another server: {path!a:.200}", slug="gateway")
    return url if url.endswith("/") else f"{url}/"
