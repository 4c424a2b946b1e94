"""Starting and reading rollouts."""

import secrets
from collections.abc import Iterator
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from policies.load import load
from rollout.decision import State
from rollout.errors import InvalidError
from rollout.operation import draft, fleet_view, start, view
from rollout.operation.draft import Wish
from rollout.operation.stop import find
from rollout.ports.store import Store, Transaction
from rollout.service.api import body
from rollout.service.api.access import Anybody, Releaser, Surroundings
from rollout.service.api.stream import Lines

router = APIRouter()
ROWS_AT_ONCE = 5_000  # evidence rows of one read transaction
LINKS_AT_ONCE = 1_000


@router.post("/rollouts")
async def begin(person: Releaser, asked: body.Starting, api: Surroundings) -> JSONResponse:
    """Start a rollout, or say what starting it would do."""
    product, _, counter = asked.release.partition("/")
    policy = asked.policy if isinstance(asked.policy, str) else load(asked.policy)
    salts = (secrets.token_hex(16), secrets.token_hex(16))
    skip = asked.skip_unstored or asked.dry_run  # a dry run lists them
    wish = Wish(product, int(counter), policy, asked.reason, person.name, salts, skip)
    if asked.dry_run:
        found = await api.run_slow(lambda: draft.document(draft.draft(api.store, wish)))
        return JSONResponse(found)
    identity = await api.run_slow(partial(start.start, api.store, wish))
    return JSONResponse({"rollout": identity}, 201)


@router.get("/rollouts")
async def listed(_person: Anybody, api: Surroundings, state: str | None = None) -> JSONResponse:
    """List rollouts, newest first."""
    if state is not None and state not in set(State):
        raise InvalidError(f"{state!r} is no state; known are {', '.join(State)}", slug="state")
    found = await api.read(lambda tx: [api.document(tx, record) for record in tx.rollouts.all(state)])
    return JSONResponse({"rollouts": found})


@router.get("/rollouts/{name}")
async def one(name: str, _person: Anybody, api: Surroundings) -> JSONResponse:
    """Show one rollout, or the newest of a product."""
    return JSONResponse(await api.read(lambda tx: api.document(tx, find(tx, name))))


@router.get("/rollouts/{name}/evidence")
async def evidence(name: str, _person: Anybody, api: Surroundings) -> Lines:
    """Stream the recorded evidence, one JSON document a line."""
    record = await api.read(partial(find, name=name))
    return Lines(_lines(api.store, record.id))


@router.get("/rollouts/{name}/decisions")
async def decided(name: str, _person: Anybody, api: Surroundings) -> JSONResponse:
    """Show what was decided and done, oldest first."""
    record = await api.read(partial(find, name=name))
    found: list[dict[str, Any]] = []
    after = 0
    while True:
        links = await api.read(lambda tx, seq=after: tx.people.audit(record.id, seq, LINKS_AT_ONCE))  # type: ignore[misc]
        found += map(view.decision, links)
        if len(links) < LINKS_AT_ONCE:
            return JSONResponse({"decisions": found})
        after = links[-1].seq


@router.get("/rollouts/{name}/hosts")
async def touched(
    name: str, _person: Anybody, api: Surroundings, state: str | None = None, details: bool = False
) -> JSONResponse:
    """List the hosts that were let go, and what became of them; `details` for hands-on work."""

    def work(tx: Transaction) -> list[dict[str, Any]]:
        return fleet_view.touched(tx, find(tx, name), state, api.settings.heartbeat_seconds, details=details)

    return JSONResponse({"hosts": await api.read(work)})


@router.get("/decisions")
async def awaited(_person: Anybody, api: Surroundings) -> JSONResponse:
    """List everything that waits for a person, oldest first."""

    def work(tx: Transaction) -> list[dict[str, Any]]:
        return view.decisions(tx, api.sights.look_at_all(tx, api.clock.elapsed()))

    return JSONResponse({"decisions": await api.read(work)})


def _lines(store: Store, rollout: str) -> Iterator[str]:
    """Yield the rows in slices, each of a short read transaction; `seq` is dense from 0."""
    after = -1
    while True:
        rows = store.read(lambda tx, seq=after: list(tx.judging.evidence(rollout, seq, ROWS_AT_ONCE)))  # type: ignore[misc]
        yield "".join(f"{row}\n" for row in rows)
        if len(rows) < ROWS_AT_ONCE:
            return
        after += len(rows)
