"""The gateway's application: routes, and the loops that live as long as it does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rollout.adapters import disk
from rollout.errors import MalformedError, NotFoundError, RolloutError
from rollout.service import problem
from rollout.service.gateway.desk import Desk
from rollout.service.gateway.endpoints import Adoptions, Beats, Crashes, Hosts
from rollout.service.gateway.files import Files
from rollout.service.gateway.lookout import Lookout
from rollout.service.gateway.openapi import document
from rollout.service.gateway.reply import of_error


def build(desk: Desk) -> Starlette:
    """The application of one gateway."""
    lookout, files = Lookout(desk), Files(desk.settings.data)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        loops = [desk.beats.run(), desk.questions.run(), desk.crashes.run(), desk.enrolments.run(), lookout.run()]
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def healthz(_request: Request) -> Response:
        return _json(200, {"status": "ok"})

    async def readyz(_request: Request) -> Response:
        missing = lookout.missing()
        told = {"ready": not missing, "missing": missing, **disk.warnings(desk.settings.data)}
        return _json(503 if missing else 200, told)

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(desk.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def openapi(request: Request) -> Response:
        return _json(200, document(request.app.routes))

    return Starlette(
        routes=[
            Route("/v1/beats", Beats(desk), methods=["POST"]),
            Route("/v1/adoptions", Adoptions(desk), methods=["POST"]),
            Route("/v1/crashes", Crashes(desk), methods=["POST"]),
            Route("/v1/hosts", Hosts(desk), methods=["POST"]),
            Route("/metadata/director/{ring}/{file}", files.director),
            Route("/metadata/image/{file}", files.image),
            Route("/targets/{path:path}", files.target),
            Route("/v1/openapi.json", openapi),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ],
        lifespan=lifespan,
        exception_handlers={RolloutError: _problem, HTTPException: _refused},
    )


async def _problem(_request: Request, error: Exception) -> Response:
    reply = of_error(error)
    return Response(msgspec.json.encode(reply.document), reply.status, dict(reply.fields), problem.CONTENT_TYPE)


async def _refused(request: Request, error: Exception) -> Response:
    """What the router itself refuses."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        return await _problem(request, MalformedError("this path has another method", slug="method-not-allowed"))
    return await _problem(request, NotFoundError("there is no such path", slug="not-found"))


def _json(status: int, document: object) -> Response:
    return Response(msgspec.json.encode(document), status, {"cache-control": "no-store"}, "application/json")
