"""The control API's application."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from rollout.errors import NotFoundError, RolloutError
from rollout.service.api import (
    acts,
    events,
    faults,
    hosts,
    keyed,
    openapi,
    people,
    policies,
    releases,
    rollouts,
    status,
)
from rollout.service.api.context import Api
from rollout.service.api.faults import answer
from rollout.service.api.repeat import Repeats

PREFIX: Final = "/api/v1"
LOOK_SECONDS: Final = 1.0
_NO_NAME: Final = NotFoundError("a name may not contain the character NUL", slug="not-found")
ROUTERS: Final = (
    acts.router,
    rollouts.router,
    releases.router,
    policies.router,
    people.router,
    hosts.router,
    events.router,
)


def create_app(api: Api, *more: APIRouter) -> FastAPI:
    """Return the application; `more` routers stand beside the API (the console)."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        looking = asyncio.create_task(_look(api))
        try:
            yield
        finally:
            looking.cancel()
            api.slow.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(title="rollout", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.api = api
    faults.install(app)
    app.add_exception_handler(keyed.AnsweredError, keyed.answered)
    app.middleware("http")(_measure(api))
    app.add_middleware(Repeats, api=api)
    mounted = [(PREFIX, router) for router in (*ROUTERS, status.router, openapi.router)]
    mounted += [("", router) for router in (status.open_router, *more)]
    for prefix, router in mounted:
        app.include_router(router, prefix=prefix)
    app.state.openapi = openapi.document(mounted)
    return app


def _measure(api: Api) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    """Count requests by route: a route's template, so that no name becomes a label."""

    async def measure(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        begun = api.clock.elapsed()
        response = answer(_NO_NAME) if _has_nul(request) else await call(request)
        route = getattr(request.scope.get("route"), "path", "none")
        api.metrics.requests.labels(request.method, route, response.status_code).inc()
        api.metrics.seconds.labels(route).observe(api.clock.elapsed() - begun)
        return response

    return measure


def _has_nul(request: Request) -> bool:
    """Whether path or query hold the one character that no store can be asked for."""
    return "\x00" in request.scope["path"] or b"%00" in request.scope["query_string"]


async def _look(api: Api) -> None:
    """See which judgements move, also while nobody asks; show that keyed requests still run here."""
    while True:
        with suppress(RolloutError):  # who asks is told
            await api.read(lambda tx: api.sights.look_at_all(tx, api.clock.elapsed()))
            if api.claimed:
                await api.write(lambda tx: tx.repeats.move(tuple(api.claimed), api.owner))
        await asyncio.sleep(LOOK_SECONDS)
