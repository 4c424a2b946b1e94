"""Policies: store, show, and judge them on this fleet."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse

from policies.document import Policy
from policies.error import PolicyError
from policies.lint import accepted
from policies.load import load
from rollout.errors import NotFoundError
from rollout.operation import intake, lint
from rollout.operation.newcomer import inventory_host
from rollout.operation.view import instant
from rollout.ports.release import PolicyRecord
from rollout.ports.store import Transaction
from rollout.service.api import body
from rollout.service.api.access import Anybody, Releaser, Surroundings

router = APIRouter()
YAML = ("application/yaml", "application/x-yaml", "text/yaml")


class GivenDocument(body.Content):
    """A dependency: the body, YAML as it is, JSON as an object."""

    def describe(self) -> dict[str, Any]:
        """A mapping: the policy's own rules say more than a schema could."""
        return {"application/json": {"type": "object"}} | {kind: {"type": "string"} for kind in YAML}

    async def __call__(self, request: Request) -> bytes | dict[str, Any]:
        """Read it."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        found = await body.text(request)
        return found if kind in YAML else body.as_object(found)


Given = Annotated[bytes | dict[str, Any], Depends(GivenDocument())]


@router.post("/policies")
async def add(person: Releaser, given: Given, api: Surroundings) -> JSONResponse:
    """Store a policy for ever, under its name and digest."""
    policy = accepted(load(given))
    record = await api.write(lambda tx: intake.store_policy(tx, policy, person.name))
    return JSONResponse({"name": record.name, "digest": record.digest}, 201)


@router.get("/policies")
async def listed(_person: Anybody, api: Surroundings) -> JSONResponse:
    """List the stored policies, each in full."""
    found = await api.read(lambda tx: tx.releases.policies())
    return JSONResponse({"policies": [_shown(record) for record in found]})


@router.post("/policies/lint")
async def linted(person: Anybody, given: Given, api: Surroundings) -> JSONResponse:
    """Judge a policy on this fleet: a document, or `{"policy": name or document}`."""
    inner = given["policy"] if isinstance(given, dict) and set(given) == {"policy"} else given
    try:
        policy = await _policy(api, inner if isinstance(inner, bytes | str | dict) else {})
    except PolicyError as error:
        rows = [{"code": each.code, "detail": each.detail} for each in error.problems]
        return JSONResponse({"accepted": False, "problems": rows, "warnings": [], "rings": []})

    def work(tx: Transaction) -> dict[str, Any]:
        here = [inventory_host(record, None) for record, _ in tx.hosts.all() if record.retired_at is None]
        return lint.lint(tx, policy, here, person.name).document()

    return JSONResponse(await api.run_slow(lambda: api.store.read(work)))


async def _policy(api: Surroundings, given: bytes | str | dict[str, Any]) -> Policy:
    """Return the policy that is meant: a text is a stored one's name."""
    if not isinstance(given, str):
        return load(given)
    stored = await api.read(lambda tx: tx.releases.policy(given))
    if stored is None:
        raise NotFoundError(f"no policy called {given!r} is stored; `rollout policy list` shows them", slug="no-policy")
    return stored.policy


def _shown(record: PolicyRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "kind": record.policy.kind,
        "digest": record.digest,
        "added_at": instant(record.added_at),
        "added_by": record.added_by,
        "document": record.policy.document(),
    }
