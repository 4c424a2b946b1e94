"""What machines ask: alive, ready, measured, which version."""

from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from rollout.adapters import disk
from rollout.decision import State
from rollout.errors import RolloutError
from rollout.ports.store import Transaction
from rollout.service.api.access import Anybody, Surroundings

router = APIRouter()
open_router = APIRouter()  # no token, no prefix
DISTRIBUTION = "rollout-orchestrator"
NOT_READY: dict[str, Any] = {"description": "What is missing", "content": {"application/json": {}}}
NO_STORE = {"Cache-Control": "no-store"}


@router.get("/version")
async def running(_person: Anybody, api: Surroundings) -> JSONResponse:
    """Say which version runs, whether its keys are development keys, and where the engine shows itself."""
    try:
        found = version(DISTRIBUTION)
    except PackageNotFoundError:
        found = "unknown"
    told = {"version": found, "api": "v1", "development": api.settings.supervised}
    return JSONResponse(told | {"temporal_ui": api.settings.temporal_ui})


@open_router.get("/healthz")
async def healthz() -> JSONResponse:
    """The process is up."""
    return JSONResponse({"status": "ok"}, headers=NO_STORE)


@open_router.get("/readyz", responses={503: NOT_READY})
async def readyz(api: Surroundings) -> JSONResponse:
    """The store answers; stops need nothing else. Warns of a disk that is nearly full."""
    told = disk.warnings(api.settings.data)
    try:
        await api.read(lambda tx: tx.rollouts.frozen())
    except RolloutError as error:
        return JSONResponse({"ready": False, "missing": [error.detail], **told}, 503, NO_STORE)
    return JSONResponse({"ready": True, "missing": [], **told}, headers=NO_STORE)


@open_router.get("/metrics")
async def metrics(api: Surroundings) -> Response:
    """Prometheus text."""

    def work(tx: Transaction) -> tuple[Counter[str], bool]:
        return Counter(record.state for record in tx.rollouts.all()), tx.rollouts.frozen() is not None

    states, frozen = await api.read(work)
    for state in State:
        api.metrics.rollouts.labels(state).set(states[state])
    api.metrics.frozen.set(frozen)
    return Response(generate_latest(api.metrics.registry), media_type=CONTENT_TYPE_LATEST)
