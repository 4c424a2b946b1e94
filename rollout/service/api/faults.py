"""Everything that goes wrong becomes a problem document (RFC 9457)."""

import json
import logging

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from policies.error import PolicyError
from rollout.errors import InvalidError, MalformedError, NotFoundError, Problem, RolloutError
from rollout.service import problem

_LOG = logging.getLogger("rollout.api")


def install(app: FastAPI) -> None:
    """Let the application answer every error in our form."""
    for kind in (RolloutError, PolicyError, Exception):
        app.add_exception_handler(kind, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)


async def _told(_request: Request, error: Exception) -> Response:
    return answer(error)


def answer(error: Exception) -> Response:
    """Return the problem document; what is not ours is logged and never quoted."""
    if not problem.known(error):
        _LOG.error("a request failed", exc_info=error)
    elif problem.status(error) >= 500:
        _LOG.warning("a request was not served: %s", error)
    body = json.dumps(problem.document(error)).encode()
    return Response(body, problem.status(error), dict(problem.headers(error)), problem.CONTENT_TYPE)


async def _invalid(_request: Request, error: Exception) -> Response:
    """What FastAPI refuses of path and query."""
    rows = error.errors() if isinstance(error, RequestValidationError) else []
    problems = tuple(Problem("field", f"{'.'.join(map(str, row['loc']))}: {row['msg']}") for row in rows)
    return answer(InvalidError("the request's path or query is wrong", slug="invalid", problems=problems))


async def _refused(_request: Request, error: Exception) -> Response:
    """What the router itself refuses."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        return answer(MalformedError("this path has another method", slug="method-not-allowed"))
    return answer(NotFoundError("there is no such path", slug="not-found"))
