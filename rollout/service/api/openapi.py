"""The API's OpenAPI document, read off the application itself: its routes, their dependencies, the bodies' models."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, get_type_hints

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse

from rollout.service import describe
from rollout.service.api.access import Allowed
from rollout.service.api.body import Content

router = APIRouter()
TITLE: Final = "Rollout: control API"
SUCCESS: Final = "2XX"


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """Return this document."""
    return JSONResponse(request.app.state.openapi)


def document(mounted: Iterable[tuple[str, APIRouter]]) -> dict[str, Any]:
    """Return the document of routers, each under its prefix."""
    paths: dict[str, Any] = {}
    components: dict[str, Any] = {"Problem": describe.PROBLEM}
    for prefix, each in mounted:
        found = get_openapi(title=TITLE, version="v1", routes=each.routes)["paths"]
        for route in each.routes:
            if isinstance(route, APIRoute):
                for method in route.methods or ():
                    _complete(found[route.path_format][method.lower()], route, components)
        for path, operations in found.items():
            paths.setdefault(prefix + path, {}).update(operations)
    security = {"token": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": describe.VERSION,
        "info": {"title": TITLE, "version": "v1"},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": security},
    }


def _complete(operation: dict[str, Any], route: APIRoute, components: dict[str, Any]) -> None:
    """Add body, roles and answers to what FastAPI knows of path and query."""
    statuses = {*describe.ALWAYS}
    for call in _dependencies(route.dependant):
        if isinstance(call, Allowed):
            statuses |= {401, 403}
            operation["security"] = [{"token": []}]
            operation["x-roles"] = sorted({*call.roles, "admin"})
        elif isinstance(call, Content):
            statuses |= {*describe.WITH_BODY, 404, 409, 422}
            content = {kind: {"schema": describe.hoist(schema, components)} for kind, schema in call.describe().items()}
            operation["requestBody"] = {"content": content}
    if route.dependant.path_params:
        statuses |= {404, 422}
    if route.dependant.query_params:
        statuses |= {404, 422}  # a name that no store can be asked for is nowhere
    kind = get_type_hints(route.endpoint)["return"].media_type or "text/plain"
    schema = {"type": "object"} if kind == "application/json" else {"type": "string"}
    told = {"description": route.description or "Done", "content": {kind: {"schema": schema}}}
    declared = {str(status): answer for status, answer in route.responses.items()}
    operation["responses"] = {SUCCESS: told} | describe.problems(statuses) | declared


def _dependencies(dependant: Dependant) -> Iterator[object]:
    for each in dependant.dependencies:
        yield each.call
        yield from _dependencies(each)
