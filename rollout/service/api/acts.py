"""Acts on rollouts. What stops answers from the store alone; what goes forward passes the engine."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from rollout.errors import ConflictError, ForbiddenError, NotFoundError, UnreachableError
from rollout.operation import act, stop
from rollout.operation.token import Person
from rollout.ports.rollout import RolloutRecord
from rollout.ports.store import Transaction
from rollout.service.api import body
from rollout.service.api.access import Anybody, Approver, Operator, Surroundings
from rollout.service.api.context import Api

router = APIRouter()
REFUSALS = {403: ForbiddenError, 404: NotFoundError, 409: ConflictError}


@router.post("/rollouts/{name}/halt")
async def halt(name: str, person: Operator, asked: body.Stopping, api: Surroundings) -> JSONResponse:
    """Stop for good; one person, at once, as often as one likes."""
    return await _stopped(api, partial(stop.halt, name=name, person=person.name, reason=asked.reason))


@router.post("/rollouts/{name}/pause")
async def pause(name: str, person: Operator, asked: body.Stopping, api: Surroundings) -> JSONResponse:
    """Grant nothing until resumed."""
    return await _stopped(api, partial(stop.pause, name=name, person=person.name, reason=asked.reason))


@router.post("/rollouts/{name}/reject")
async def reject(name: str, person: Approver, asked: body.Stopping, api: Surroundings) -> JSONResponse:
    """Refuse the release."""
    return await _stopped(api, partial(stop.reject, name=name, person=person.name, reason=asked.reason))


@router.post("/rollouts/{name}/rollback")
async def roll_back(name: str, person: Operator, asked: body.Explained, api: Surroundings) -> JSONResponse:
    """Put back what each host ran before; accepted now, done when the hosts report it."""
    work = partial(stop.roll_back, name=name, person=person.name, reason=asked.reason)
    return await _stopped(api, work, status=202)


@router.post("/rollouts/{name}/approve")
async def approve(name: str, person: Anybody, asked: body.Approving, api: Surroundings) -> JSONResponse:
    """Agree to the promotion of a ring."""
    record = await api.read(partial(stop.find, name=name))
    wish = act.Act("approve", record.id, asked.ring, asked.evidence_revision, person.name, asked.reason)
    return await _forward(api, record, wish, person)


@router.post("/rollouts/{name}/resume")
async def resume(name: str, person: Anybody, asked: body.Resuming, api: Surroundings) -> JSONResponse:
    """Agree to go on."""
    record = await api.read(partial(stop.find, name=name))
    wish = act.Act("resume", record.id, "", asked.evidence_revision, person.name, asked.reason)
    return await _forward(api, record, wish, person)


@router.post("/freeze")
async def freeze(person: Operator, asked: body.Explained, api: Surroundings) -> JSONResponse:
    """Stop every rollout from going forward."""
    await api.write(partial(stop.freeze, person=person.name, reason=asked.reason), stopping=True)
    return JSONResponse({"frozen": True})


@router.post("/unfreeze")
async def unfreeze(person: Approver, asked: body.Stopping, api: Surroundings) -> JSONResponse:
    """Agree to lift the freeze; it takes two, and an engine that could go on."""
    await api.engine.answers()
    outcome = await api.write(partial(act.unfreeze, person=person.name, reason=asked.reason or ""))
    _raise(outcome)
    frozen = {"frozen": outcome.status == 202}
    return JSONResponse(frozen | _counts(outcome), outcome.status)


async def _stopped(api: Api, work: Callable[[Transaction], RolloutRecord], status: int = 200) -> JSONResponse:
    """Stop in one transaction; the answer shows what it left behind."""
    return JSONResponse(await api.write(lambda tx: api.document(tx, work(tx)), stopping=True), status)


async def _forward(api: Api, record: RolloutRecord, wish: act.Act, person: Person) -> JSONResponse:
    """Let the engine take a forward act; without the engine nothing goes forward, whatever is asked."""
    rings = await api.read(lambda tx: tx.rollouts.rings(record.id))
    role = act.required_role(record, rings, wish.kind, wish.ring)
    if not person.holds(role):
        raise ForbiddenError(f"a token of role {person.role} may not {wish.kind}; role {role} may", slug="role")
    await api.engine.answers()
    outcome = await api.read(partial(act.settled, act=wish))
    if outcome is None:
        payload = {"kind": wish.kind, "rollout": wish.rollout, "ring": wish.ring, "revision": wish.revision}
        payload |= {"person": wish.person, "reason": wish.reason}
        outcome = act.Outcome.from_document(await _taken(api, record.product, payload))
    _raise(outcome)
    shown = await api.read(lambda tx: api.document(tx, stop.find(tx, record.id)))
    return JSONResponse(shown | _counts(outcome), outcome.status)


async def _taken(api: Api, product: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    found = await api.engine.act(product, payload)
    if found.get("status") not in {200, 202, *REFUSALS}:
        told = (found.get("problem") or {}).get("detail", "its answer is of another form")
        raise UnreachableError(f"the workflow engine: {told}", slug="engine-unreachable")
    return found


def _raise(outcome: act.Outcome) -> None:
    """Raise what was refused."""
    if outcome.problem is not None:
        raise REFUSALS[outcome.status](outcome.problem.detail, slug=outcome.problem.code)


def _counts(outcome: act.Outcome) -> dict[str, int]:
    return {"have": outcome.have, "need": outcome.need} if outcome.status == 202 else {}
