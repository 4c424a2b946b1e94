"""Tokens: make, list, revoke; the audit chain. The secret is in one answer, and nowhere else in clear."""

from dataclasses import asdict
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from policies.duration import parse_duration
from rollout.errors import InvalidError
from rollout.operation import token
from rollout.operation.view import instant
from rollout.service.api import body
from rollout.service.api.access import Admin, Anybody, Surroundings

router = APIRouter()
LINKS_AT_ONCE: Final = 1_000
Seq = Annotated[int, Query(ge=0, lt=2**63)]
DEFAULT_TTL_SECONDS: Final = 90 * 86_400.0


@router.post("/tokens")
async def make(person: Admin, asked: body.NewTokens, api: Surroundings) -> JSONResponse:
    """Make a token and show it this once."""
    wanted = token.Wanted(asked.name, asked.role, asked.uses, _seconds(asked.ttl))
    secret = api.key.make()
    record = await api.write(partial(token.issue, wanted=wanted, id_=secret.id, hmac=secret.hmac, person=person.name))
    told = {"token": secret.text, "id": record.id, "expires": instant(record.expires_at)}
    return JSONResponse(told, 201, {"Cache-Control": "no-store"})


@router.get("/tokens")
async def listed(_person: Admin, api: Surroundings) -> JSONResponse:
    """List tokens without their secrets."""
    found = [
        {
            "id": record.id,
            "name": record.name,
            "role": record.role,
            "uses": record.uses_left,
            "created_at": instant(record.created_at),
            "created_by": record.created_by,
            "expires": instant(record.expires_at),
            "revoked": record.revoked_at is not None,
        }
        for record in await api.read(lambda tx: tx.people.tokens())
    ]
    return JSONResponse({"tokens": found})


@router.get("/audit")
async def audit(
    _person: Anybody,
    api: Surroundings,
    after: Seq = 0,
    limit: Annotated[int, Query(ge=1, le=LINKS_AT_ONCE)] = LINKS_AT_ONCE,
) -> JSONResponse:
    """List links of the audit chain after a `seq`, as they are hashed: who has all can verify each."""
    found = await api.read(lambda tx: tx.people.audit(None, after, limit))
    return JSONResponse({"audit": [asdict(row) for row in found]})


@router.delete("/tokens/{identity}")
async def revoke(identity: str, person: Admin, api: Surroundings) -> JSONResponse:
    """Make a token worthless at once."""
    await api.write(partial(token.revoke, id_=identity, person=person.name))
    return JSONResponse({"id": identity, "revoked": True})


def _seconds(ttl: str | None) -> float:
    if ttl is None:
        return DEFAULT_TTL_SECONDS
    try:
        return parse_duration(ttl).total_seconds()
    except ValueError as error:
        raise InvalidError(f"ttl: {error}", slug="ttl") from None
