"""Replies: status, fields and JSON bytes, and the problem document of whatever went wrong."""

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from rollout.errors import RolloutError
from rollout.service import problem

_LOG = logging.getLogger("rollout.gateway")
_ENCODE = msgspec.json.Encoder().encode

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back; `document` becomes JSON."""

    status: int
    document: object
    content_type: str = "application/json"
    fields: Mapping[str, str] = field(default_factory=dict)

    async def send(self, send: Send) -> None:
        """Send it whole."""
        body = self.document if isinstance(self.document, bytes) else _ENCODE(self.document)
        fields = {"content-type": self.content_type, "content-length": str(len(body)), **self.fields}
        head = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in fields.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": head})
        await send({"type": "http.response.body", "body": body})


def of_error(error: Exception) -> Reply:
    """The problem document; what is not ours is logged and never quoted."""
    if not isinstance(error, RolloutError):
        _LOG.error("a request failed", exc_info=error)
    elif problem.status(error) >= 500:
        _LOG.warning("a request was not served: %s", error.detail)
    return Reply(problem.status(error), problem.document(error), problem.CONTENT_TYPE, problem.headers(error))
