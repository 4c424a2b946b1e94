"""What both OpenAPI documents share: problem documents as a schema, and where a reference points."""

from collections.abc import Iterable
from typing import Any, Final

from rollout.service import problem

VERSION: Final = "3.1.0"
PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "pattern": f"^{problem.PREFIX}[a-z0-9-]+$"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "detail"],
                "properties": {"code": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
ALWAYS: Final = (400, 405, 408, 429, 431, 500, 503)
"""Whatever is asked: what the server cannot read, will not wait for, or has no room for."""
WITH_BODY: Final = (413, 415)
TITLES: Final = {
    400: "Not of the protocol's form",
    401: "No credentials, or wrong ones",
    403: "Right credentials for somebody or something else",
    404: "What was named does not exist",
    405: "This path has another method",
    408: "It did not arrive in time",
    409: "It does not fit the state",
    413: "Too large",
    415: "Unknown content coding",
    422: "Wrong in itself; `problems` lists every fault",
    429: "Too many; `Retry-After` says when",
    431: "The head is too large",
    500: "The server's own fault; its log says why",
    503: "Not now; `Retry-After` says when",
}


def problems(statuses: Iterable[int]) -> dict[str, Any]:
    """Return the answers that are problem documents, by status."""
    content = {problem.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {str(status): {"description": TITLES[status], "content": content} for status in sorted(set(statuses))}


def portable(schema: Any) -> Any:
    """Return a schema in JSON Schema's own dialect of patterns: Python's end of text is `$` there."""
    if isinstance(schema, dict):
        return {
            key: value.removesuffix(r"\Z") + "$" if key == "pattern" and str(value).endswith(r"\Z") else portable(value)
            for key, value in schema.items()
        }
    return [portable(each) for each in schema] if isinstance(schema, list) else schema


def hoist(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """Move a schema's own definitions to the document's components; the schema without them."""
    components |= schema.pop("$defs", {})
    return schema
