"""High-water marks on disk: `marks.json` in the state directory, outside `cache/`.

Absent means a host that never checked. Damaged is never taken for absent: a host that forgot what it saw
would accept yesterday's metadata. Ring marks are kept per ring, the rest is shared by all rings of a host.
"""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rollout.adapters.trust.files import replace
from rollout.directive.facts import Role
from rollout.directive.marks import Marks, RingMarks
from rollout.errors import DamagedError
from rollout.host.state import read_object

FILE = "marks.json"
SCHEMA = "rollout.marks/1"


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Hold the marks: between reading and writing them no other check of this host does either."""
    with (state / "marks.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def load(state: Path, ring: str) -> Marks:
    """The marks for a check of `ring`; DamagedError where the file is not of its form."""
    document = _document(state)
    try:
        return Marks(
            ring=_ring(document["rings"].get(ring, {})),
            image=_roles(document["image"]),
            floors=_numbers(document["floors"]),
            maps=_numbers(document["maps"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DamagedError(f"{FILE} is not of its form ({error})") from error


def save(state: Path, ring: str, marks: Marks) -> None:
    """Store the marks of a check of `ring`, durable before return; OSError when they cannot be."""
    rings = {**_document(state)["rings"], ring: _ring_json(marks.ring)}
    document = {
        "schema": SCHEMA,
        "rings": rings,
        "image": _roles_json(marks.image),
        "floors": dict(marks.floors),
        "maps": dict(marks.maps),
    }
    data = json.dumps(document, sort_keys=True, indent=1).encode()
    if not (state / FILE).exists() or (state / FILE).read_bytes() != data:
        replace(state / FILE, data, mode=0o600)


def _document(state: Path) -> Mapping[str, Any]:
    if not (state / FILE).exists():
        return {"schema": SCHEMA, "rings": {}, "image": {}, "floors": {}, "maps": {}}
    document = read_object(state / FILE)
    if document.get("schema") != SCHEMA:
        raise DamagedError(f"{FILE} has schema {document.get('schema')!a:.80}, not {SCHEMA}")
    return document


def _ring(document: Mapping[str, Any]) -> RingMarks:
    if not document:
        return RingMarks()
    return RingMarks(
        datetime.fromtimestamp(document["issued"], UTC), _roles(document["roles"]), _numbers(document["epochs"])
    )


def _ring_json(marks: RingMarks) -> dict[str, object]:
    if marks.issued is None:
        return {}
    return {
        "issued": marks.issued.timestamp(),
        "roles": _roles_json(marks.roles),
        "epochs": dict(marks.epochs),
    }


def _roles(document: Mapping[str, Any]) -> dict[str, Role]:
    return {role: Role(int(mark["version"]), str(mark["keys"])) for role, mark in document.items()}


def _roles_json(roles: Mapping[str, Role]) -> dict[str, object]:
    return {name: {"version": role.version, "keys": role.keys} for name, role in roles.items()}


def _numbers(document: Mapping[str, Any]) -> dict[str, int]:
    return {key: int(value) for key, value in document.items()}
