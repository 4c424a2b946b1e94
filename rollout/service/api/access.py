"""Who calls, and may they? Asked before anything of a request's body is read."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from rollout.errors import UnauthenticatedError
from rollout.operation.token import PEOPLE, Person, counted, identify
from rollout.service.api.context import Api, api_of
from rollout.service.api.keyed import IN_SCOPE, Keyed

LONGEST_TOKEN = 4096


def allowed(roles: frozenset[str]) -> Callable[[Request], Awaitable[Person]]:
    """Return a dependency: the person behind the request's token, of one of these roles or admin.

    It ends a request that was answered before (`keyed.AnsweredError`).
    """

    async def person(request: Request) -> Person:
        api = api_of(request)
        hmac = _hmac(api, request)
        counts = await api.read(lambda tx: counted(tx, hmac))
        found = await (api.write if counts else api.read)(partial(identify, hmac=hmac, roles=roles))
        keyed: Keyed | None = request.scope.get(IN_SCOPE)
        if keyed is not None:
            await keyed.claim(found.name)
        return found

    return person


def _hmac(api: Api, request: Request) -> bytes:
    given = request.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN:
        raise UnauthenticatedError("this needs a bearer token: Authorization: Bearer TOKEN", slug="unauthenticated")
    return api.key.hmac(token.encode("utf-8", "surrogateescape"))


Anybody = Annotated[Person, Depends(allowed(PEOPLE))]
Releaser = Annotated[Person, Depends(allowed(frozenset({"releaser"})))]
Operator = Annotated[Person, Depends(allowed(frozenset({"operator"})))]
Approver = Annotated[Person, Depends(allowed(frozenset({"approver"})))]
Admin = Annotated[Person, Depends(allowed(frozenset({"admin"})))]
Surroundings = Annotated[Api, Depends(api_of)]
