"""The fleet: list, show, retire, rekey."""

from functools import partial

from fastapi import APIRouter
from starlette.responses import JSONResponse

from rollout.operation import fleet_view, ground, roster
from rollout.operation.fleet_view import Wanted
from rollout.service.api import body
from rollout.service.api.access import Anybody, Operator, Surroundings
from rollout.service.api.context import Api

router = APIRouter()


@router.get("/hosts")
async def listed(
    _person: Anybody,
    api: Surroundings,
    ring: str | None = None,
    state: str | None = None,
    product: str | None = None,
) -> JSONResponse:
    """List hosts by id."""
    work = partial(fleet_view.hosts, wanted=Wanted(ring, state, product), interval=api.settings.heartbeat_seconds)
    return JSONResponse({"hosts": await api.run_slow(partial(api.store.read, work))})


@router.get("/fleet")
async def fleet(_person: Anybody, api: Surroundings) -> JSONResponse:
    """Return the fleet's size, strata, and how often its hosts crash and fall silent without a fault of a release."""
    work = partial(ground.document, api.store, api.settings.heartbeat_seconds)
    return JSONResponse(await api.run_slow(work))


@router.get("/hosts/{name}")
async def one(name: str, _person: Anybody, api: Surroundings) -> JSONResponse:
    """Show one host."""
    return await _shown(api, name)


@router.post("/hosts/{name}/retire")
async def retire(name: str, person: Operator, asked: body.Explained, api: Surroundings) -> JSONResponse:
    """Take a host out of the fleet for good."""
    await api.write(partial(roster.retire, name=name, person=person.name, reason=asked.reason))
    return await _shown(api, name)


@router.post("/hosts/{name}/rekey")
async def rekey(name: str, person: Operator, asked: body.Explained, api: Surroundings) -> JSONResponse:
    """Let a host enrol with another key."""
    await api.write(partial(roster.rekey, name=name, person=person.name, reason=asked.reason))
    return await _shown(api, name)


async def _shown(api: Api, name: str) -> JSONResponse:
    work = partial(fleet_view.host, name=name, interval=api.settings.heartbeat_seconds)
    return JSONResponse(await api.read(work))
