"""What went wrong, told the same way everywhere: problem document, HTTP status, exit code.

The API, the gateway and the command line all read this one table, so a fault has the same name and
the same weight at every door. Form: RFC 9457, `type` is `urn:rollout:problem:<slug>`.
"""

from collections.abc import Mapping
from typing import Any

from rollout import errors
from rollout.errors import Problem, RolloutError

CONTENT_TYPE = "application/problem+json"
PREFIX = "urn:rollout:problem:"
POLICY_ERRORS = "policies.error"  # known by its module's name: importing it costs 0.1 s of pydantic at every start
FALLBACK = "error"  # the slug of an error that was raised without one

# Nearest class wins; the order of the tree, from the person who asked to the surroundings.
_KINDS: Mapping[type[RolloutError], tuple[int, int, str]] = {
    errors.InvalidError: (422, 1, "invalid"),
    errors.NotFoundError: (404, 3, "not-found"),
    errors.ConflictError: (409, 5, "conflict"),
    errors.UnauthenticatedError: (401, 4, "unauthenticated"),
    errors.ForbiddenError: (403, 4, "forbidden"),
    errors.AuthorError: (422, 1, "invalid"),
    errors.SupplierError: (422, 1, "release-refused"),
    errors.MalformedError: (400, 1, "malformed"),
    errors.HostError: (400, 1, "malformed"),
    errors.UnreachableError: (503, 6, "unreachable"),
    errors.BusyError: (503, 6, "busy"),
    errors.DiskFullError: (503, 1, "disk-full"),
    errors.StaleOwnerError: (503, 1, "stale-owner"),
    errors.DamagedError: (500, 1, "damaged"),
    errors.SurroundingsError: (503, 1, "surroundings"),
    RolloutError: (500, 1, "internal"),
}
# A message that cannot be taken is a 400, but for these (INTERFACES section 1).
_STATUS_OF_SLUG: Mapping[str, int] = {
    "too-large": 413,
    "unsupported-coding": 415,
    "method-not-allowed": 405,
    "too-slow": 408,
    "too-many-requests": 429,
    "head-too-large": 431,
}
_ERROR_OF_STATUS: Mapping[int, type[RolloutError]] = {
    401: errors.UnauthenticatedError,
    403: errors.ForbiddenError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    422: errors.InvalidError,
    429: errors.BusyError,
    502: errors.UnreachableError,
    503: errors.UnreachableError,
    504: errors.UnreachableError,
}


def known(error: Exception) -> bool:
    """Whether an error was raised on purpose: its sentence is for the person who asked."""
    return isinstance(error, RolloutError) or any(each.__module__ == POLICY_ERRORS for each in type(error).__mro__)


def status(error: Exception) -> int:
    """HTTP status of an error; 500 for one that is not ours."""
    if isinstance(error, RolloutError):
        return _STATUS_OF_SLUG.get(error.slug, _kind(error)[0])
    return 422 if known(error) else 500


def exit_code(error: Exception) -> int:
    """Exit code of an error (INTERFACES section 5); 1 for one that is not ours."""
    return _kind(error)[1] if isinstance(error, RolloutError) else 1


def slug(error: Exception) -> str:
    """Stable name of an error, the last part of its document's `type`."""
    if isinstance(error, RolloutError):
        return _kind(error)[2] if error.slug == FALLBACK else error.slug
    return "policy" if known(error) else "internal"


def document(error: Exception) -> dict[str, Any]:
    """Return the problem document of any error; what is not ours is named, never quoted."""
    name = slug(error)
    found: dict[str, Any] = {
        "type": PREFIX + name,
        "title": name.replace("-", " ").capitalize(),
        "status": status(error),
        "detail": str(error) if known(error) else "the server failed; its log says why",
    }
    problems = getattr(error, "problems", ()) if known(error) else ()
    if not problems and found["status"] == 422:  # INTERFACES section 4: a 422 always carries them
        problems = (Problem(name, found["detail"]),)
    if problems:
        found["problems"] = [{"code": each.code, "detail": each.detail} for each in problems]
    return found


def headers(error: Exception) -> dict[str, str]:
    """Return what the answer's head must carry beside the content type: when to retry, how to prove who one is."""
    if status(error) in {429, 503}:
        return {"Retry-After": "1"}
    return {"WWW-Authenticate": "Bearer"} if isinstance(error, errors.UnauthenticatedError) else {}


def error_of(found: Mapping[str, Any], code: int) -> RolloutError:
    """Rebuild the error from a server's answer; the status decides its kind, the document says the rest.

    An answer without a readable document (a proxy's page) keeps its status as its sentence.
    """
    kind = _ERROR_OF_STATUS.get(code, errors.AuthorError if 400 <= code < 500 else errors.SurroundingsError)
    detail = str(found.get("detail") or found.get("title") or f"the server answered {code} without saying why")
    rows = found.get("problems")
    problems = tuple(
        Problem(str(row.get("code")), str(row.get("detail")))
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
    )
    name = str(found.get("type", "")).removeprefix(PREFIX) or FALLBACK
    return kind(detail, slug=name, problems=problems)


def _kind(error: RolloutError) -> tuple[int, int, str]:
    return next(_KINDS[each] for each in type(error).__mro__ if each in _KINDS)
