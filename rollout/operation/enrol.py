"""Enrol a host, or answer one that is enrolled already."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from rollout.errors import ConflictError, ForbiddenError, UnauthenticatedError
from rollout.operation.newcomer import rings_of
from rollout.operation.record import interval
from rollout.plan import stratum_name
from rollout.ports.host import HostRecord
from rollout.ports.person import TokenRecord
from rollout.ports.store import Transaction


@dataclass(frozen=True, slots=True)
class Application:
    """Who wants to enrol; the caller has checked that `public_key` is one of `algorithm`."""

    host: str
    algorithm: str
    public_key: bytes
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What the host is answered; `created` says whether it was new."""

    created: bool
    host: str
    stratum: str
    heartbeat: float
    rings: Mapping[str, str]


def bearer(tx: Transaction, hmac: bytes, roles: frozenset[str]) -> TokenRecord:
    """The live token of this HMAC, if its role may do this; `admin` includes every role."""
    token = tx.people.token(hmac)
    if token is None or token.revoked_at is not None or token.expires_at <= tx.at:
        raise UnauthenticatedError("the token is unknown, expired or revoked; ask for a new one", slug="token")
    if token.role not in roles and token.role != "admin":
        raise ForbiddenError(f"a token of role {token.role} may not do this; one of {sorted(roles)} may", slug="role")
    return token


def enrol(tx: Transaction, hmac: bytes, application: Application, default_interval: float) -> Enrolled:
    """Enrol once a key; the same host with the same key only replaces its attributes."""
    token = bearer(tx, hmac, frozenset({"enrol"}))
    told = application.attributes
    stratum = stratum_name(told["form"], told["os_build"], told["hardware"])
    record = tx.hosts.find(application.host)
    if record is None:
        _use(tx, token)
        fields = (application.host, application.algorithm, application.public_key, told, stratum)
        key = tx.hosts.enrol(HostRecord(0, *fields, enrolled_at=tx.at, token=token.id))
    else:
        key = _again(tx, record, application, token)
        tx.hosts.replace_attributes(key, told, stratum)
    (found,) = tx.hosts.records([key]).values()
    rings = rings_of(tx, [found])[key]
    tx.hosts.tell({key: msgspec.json.encode(rings, order="deterministic").decode()})
    return Enrolled(record is None, application.host, stratum, interval(tx, default_interval), rings)


def _again(tx: Transaction, record: HostRecord, application: Application, token: TokenRecord) -> int:
    """A host that is known: with its key it is only answered, after a rekey it takes the new one."""
    if record.retired_at is not None:
        raise ConflictError(f"{record.id} was retired for good; enrol it under another id", slug="retired")
    if not record.public_key:
        _use(tx, token)
        tx.hosts.set_key(record.key, application.algorithm, application.public_key, token.id)
    elif record.public_key != application.public_key:
        detail = f"{record.id} is enrolled with another key; an operator can run `rollout hosts rekey {record.id}`"
        raise ConflictError(detail, slug="host-key")
    elif token.uses_left == 0 and record.token != token.id:
        raise _used_up()
    return record.key


def _use(tx: Transaction, token: TokenRecord) -> None:
    if not tx.people.use_token(token.id):
        raise _used_up()


def _used_up() -> UnauthenticatedError:
    return UnauthenticatedError("the enrolment token is used up; ask for a new one", slug="token")
