"""`/rollouts/{id}/events`: audit rows as server-sent events, as they are committed.

`id:` is the audit row's number, so that a client that comes back with `Last-Event-ID` misses nothing.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request

from rollout.decision import ENDED, State
from rollout.errors import BusyError
from rollout.operation import view
from rollout.operation.stop import find
from rollout.ports.person import AuditRow
from rollout.ports.store import Transaction
from rollout.service.api.access import Anybody, Surroundings
from rollout.service.api.context import Api
from rollout.service.api.stream import EventStream

router = APIRouter()
POLL_SECONDS: Final = 0.25
COMMENT_SECONDS: Final = 15.0
ROWS_AT_ONCE: Final = 500
MOST_STREAMS: Final = 50  # of one person: each looks into the store four times a second


@router.get("/rollouts/{name}/events")
async def events(request: Request, name: str, person: Anybody, api: Surroundings) -> EventStream:
    """Follow a rollout until it is over."""
    if api.following[person.name] >= MOST_STREAMS:
        raise BusyError(f"{person.name} follows {MOST_STREAMS} rollouts already", slug="too-many-requests")
    record = await api.read(partial(find, name=name))
    last = request.headers.get("last-event-id", "")
    after = int(last) if last.isascii() and last.isdecimal() and len(last) < 19 else 0
    head = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventStream(_counted(api, person.name, _follow(api, record.id, after)), headers=head)


async def _counted(api: Api, person: str, rows: AsyncIterator[str]) -> AsyncIterator[str]:
    """Pass the rows on, and count this stream while it lives."""
    api.following[person] += 1
    try:
        async for row in rows:
            yield row
    finally:
        api.following[person] -= 1


async def _follow(api: Api, rollout: str, after: int) -> AsyncIterator[str]:
    """Yield rows after `after`, a comment every 15 s; ends with the rollout."""

    def look(tx: Transaction, seq: int) -> tuple[list[AuditRow], bool]:
        record = find(tx, rollout)
        over = record.state in ENDED or (record.state == State.COMPLETED and record.over)
        return list(tx.people.audit(rollout, seq, ROWS_AT_ONCE)), over

    said = api.clock.elapsed()
    yield ": following\n\n"
    while True:
        rows, over = await api.read(partial(look, seq=after))
        for row in rows:
            after = row.seq
            yield f"id: {row.seq}\nevent: {row.kind}\ndata: {json.dumps(view.decision(row))}\n\n"
        if over and len(rows) < ROWS_AT_ONCE:
            return
        now = api.clock.elapsed()
        if now - said > COMMENT_SECONDS - POLL_SECONDS:  # looked at so often, it is said within the time
            said = now
            yield ": still here\n\n"
        await asyncio.sleep(POLL_SECONDS)
