"""Enrol hosts, or answer those that are enrolled already: many in one transaction, each by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from rollout.errors import ConflictError, ForbiddenError, RolloutError, UnauthenticatedError
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
class Row:
    """One application, and the HMAC of the token that it came with."""

    hmac: bytes
    application: Application


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


def enrol(tx: Transaction, rows: Sequence[Row], default_interval: float) -> list[Enrolled | RolloutError]:
    """Answer applications in the order given; of one that is refused, with its error, nothing is kept.

    A host is enrolled once a key; the same host with the same key only replaces its attributes.
    """
    answers: dict[int, Enrolled | RolloutError] = {}
    seconds = interval(tx, default_interval)
    while len(answers) < len(rows):  # a host's second application needs the outcome of its first
        left = [index for index in range(len(rows)) if index not in answers]
        first = {rows[index].application.host: index for index in reversed(left)}
        answers |= _round(tx, {index: rows[index] for index in sorted(first.values())}, seconds)
    return [answers[index] for index in range(len(rows))]


def _round(tx: Transaction, rows: Mapping[int, Row], seconds: float) -> dict[int, Enrolled | RolloutError]:
    """Answer at most one application of each host, by index."""
    known = tx.hosts.find_all([row.application.host for row in rows.values()])
    answers: dict[int, Enrolled | RolloutError] = {}
    taken: dict[int, HostRecord] = {}
    for index, row in rows.items():
        try:
            taken[index] = _take(tx, row, known.get(row.application.host))
        except RolloutError as error:
            answers[index] = error
    keys = tx.hosts.enrol_all([record for record in taken.values() if record.id not in known])
    placed = [record if record.id in known else replace(record, key=keys[record.id]) for record in taken.values()]
    rings = rings_of(tx, placed)
    tx.hosts.tell({key: msgspec.json.encode(mine, order="deterministic").decode() for key, mine in rings.items()})
    for index, record in zip(taken, placed, strict=True):
        answers[index] = Enrolled(record.id not in known, record.id, record.stratum, seconds, rings[record.key])
    return answers


def _take(tx: Transaction, row: Row, record: HostRecord | None) -> HostRecord:
    """The host as it is from now on, its key 0 where it is new; what is known already is changed at once."""
    token, asked = bearer(tx, row.hmac, frozenset({"enrol"})), row.application
    told = asked.attributes
    stratum = stratum_name(told["form"], told["os_build"], told["hardware"])
    if record is None:
        _use(tx, token)
        return HostRecord(
            0, asked.host, asked.algorithm, asked.public_key, told, stratum, enrolled_at=tx.at, token=token.id
        )
    key = _again(tx, record, asked, token)
    tx.hosts.replace_attributes(key, told, stratum)
    return replace(record, attributes=told, stratum=stratum)


def _again(tx: Transaction, record: HostRecord, application: Application, token: TokenRecord) -> int:
    """A host that is known: with its key it is only answered, after a rekey it takes the new one."""
    if record.retired_at is not None:
        raise ConflictError(f"{record.id} was retired for good; enrol it under another id", slug="retired")
    if not record.public_key:
        _use(tx, token)
        tx.hosts.set_key(record.key, application.algorithm, application.public_key, token.id)
    elif record.public_key != application.public_key:
        mend = f"rollout hosts rekey {record.id} --reason TEXT"
        raise ConflictError(f"{record.id} is enrolled with another key; an operator can run `{mend}`", slug="host-key")
    elif token.uses_left == 0 and record.token != token.id:
        raise _used_up()
    return record.key


def _use(tx: Transaction, token: TokenRecord) -> None:
    if token.uses_left is not None and not tx.people.use_token(token.id):
        raise _used_up()


def _used_up() -> UnauthenticatedError:
    return UnauthenticatedError("the enrolment token is used up; ask for a new one", slug="token")
