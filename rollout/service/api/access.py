"""Who calls, and may they? Asked before anything of a request's body is read."""

from functools import partial
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from rollout.errors import UnauthenticatedError
from rollout.operation.token import PEOPLE, Person, counted, identify
from rollout.service.api.context import Api, api_of
from rollout.service.api.keyed import IN_SCOPE, Keyed
from rollout.service.door.patience import source_of

LONGEST_TOKEN = 4096


class Allowed:
    """A dependency: the person behind the request's token, of one of these roles or admin.

    It ends a request that was answered before (`keyed.AnsweredError`).
    """

    def __init__(self, *roles: str) -> None:
        self.roles = frozenset(roles)

    async def __call__(self, request: Request) -> Person:
        """Identify the person; UnauthenticatedError or ForbiddenError, BusyError after too many of the first."""
        api = api_of(request)
        hmac, source = _hmac(api, request), source_of(request.scope.get("client"))
        api.patience.admit(source, hmac)
        try:
            person = await self._identify(api, hmac)
        except UnauthenticatedError:
            api.patience.failed(source, hmac)
            raise
        api.patience.proved(hmac)
        keyed: Keyed | None = request.scope.get(IN_SCOPE)
        if keyed is not None:
            await keyed.claim(person.name)
        return person

    async def _identify(self, api: Api, hmac: bytes) -> Person:
        if await api.read(lambda tx: counted(tx, hmac)):
            return await api.write(partial(identify, hmac=hmac, roles=self.roles))
        return await api.read(partial(identify, hmac=hmac, roles=self.roles))


def _hmac(api: Api, request: Request) -> bytes:
    given = request.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN:
        raise UnauthenticatedError("this needs a bearer token: Authorization: Bearer TOKEN", slug="unauthenticated")
    return api.key.hmac(token.encode("utf-8", "surrogateescape"))


Anybody = Annotated[Person, Depends(Allowed(*PEOPLE))]
Releaser = Annotated[Person, Depends(Allowed("releaser"))]
Operator = Annotated[Person, Depends(Allowed("operator"))]
Approver = Annotated[Person, Depends(Allowed("approver"))]
Admin = Annotated[Person, Depends(Allowed("admin"))]
Surroundings = Annotated[Api, Depends(api_of)]
