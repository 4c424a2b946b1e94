"""The gateway's OpenAPI document, read off its routes and the types that its readers decode into."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from starlette.routing import BaseRoute, Route

from rollout.service import describe
from rollout.service.gateway.endpoints import Endpoint, Hosts, Rows
from rollout.service.gateway.messages import MOST_ROWS, Enrolment

TITLE: Final = "Rollout: host protocol"
COMPONENT: Final = "#/components/schemas/{name}"
SIGNED: Final[dict[str, list[str]]] = {"signature": [], "signature-input": [], "content-digest": []}
SECURITY: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "Of role collector, or enrol where hosts enrol."},
    **{
        name: {"type": "apiKey", "in": "header", "name": name, "description": "A host's signature, RFC 9421."}
        for name in SIGNED
    },
}
MEDIA: Final = {"/metrics": "text/plain", "/targets/{path}": "application/octet-stream"}


def document(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """Return the document of these routes."""
    components: dict[str, Any] = {"Problem": describe.PROBLEM}
    paths: dict[str, Any] = {}
    for route in routes:
        if isinstance(route, Route):
            path = route.path_format
            methods = (route.methods or set()) - {"HEAD"}
            paths[path] = {method.lower(): _operation(route, path, components) for method in sorted(methods)}
    return {
        "openapi": describe.VERSION,
        "info": {"title": TITLE, "version": "v1"},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": SECURITY},
    }


def _operation(route: Route, path: str, components: dict[str, Any]) -> dict[str, Any]:
    statuses = {*describe.ALWAYS}
    endpoint = route.endpoint
    found: dict[str, Any] = {"operationId": route.name or path, "summary": (endpoint.__doc__ or path).strip("`. \n")}
    if isinstance(endpoint, Endpoint):
        statuses |= {*describe.WITH_BODY, 401, 403, 409, 422}
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _body(endpoint, components)}},
        }
        found["security"] = [{"token": []}] if isinstance(endpoint, Hosts) else [{"token": []}, SIGNED]
        found["x-roles"] = ["enrol"] if isinstance(endpoint, Hosts) else ["collector", "host"]
    if route.param_convertors:
        statuses.add(404)
        found["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in route.param_convertors
        ]
    answers = describe.problems(statuses)
    if path == "/readyz":
        answers["503"] = {"description": "What is missing", "content": _content("application/json")}
    done = {"description": "Done", "content": _content(MEDIA.get(path, "application/json"))}
    return found | {"responses": {"2XX": done} | answers}


def _content(kind: str) -> dict[str, Any]:
    return {kind: {"schema": {"type": "object"} if kind == "application/json" else {"type": "string"}}}


def _body(endpoint: Endpoint, components: dict[str, Any]) -> dict[str, Any]:
    """Return a row's schema, or that of a batch of them."""
    if isinstance(endpoint, Rows):
        row, field = endpoint.reader.row, endpoint.reader.field
    else:
        row, field = Enrolment, None
    (schema,), more = msgspec.json.schema_components([row], ref_template=COMPONENT)
    components |= describe.portable(more)
    if field is None:
        return schema
    rows = {"type": "array", "items": schema, "maxItems": MOST_ROWS}
    return {"anyOf": [{"type": "object", "required": [field], "properties": {field: rows}}, schema]}
