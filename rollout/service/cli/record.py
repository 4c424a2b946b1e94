"""The record of a rollout: its evidence, what was decided, and events as they happen."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from rollout.audit import first_broken
from rollout.errors import NotFoundError, UnreachableError
from rollout.service.cli.client import segment
from rollout.service.cli.follow import AWAY_SECONDS, POLL_SECONDS
from rollout.service.cli.output import clean, write
from rollout.service.cli.session import Session, online, session


@click.command("evidence")
@click.argument("name", metavar="ID")
@online
@session
def evidence_command(here: Session, name: str) -> None:
    """Write the recorded evidence as JSON lines: the input of `rollout judge`."""
    try:
        _copy(here, name)
    except NotFoundError:
        _copy(here, here.newest(name))


def _copy(here: Session, name: str) -> None:
    for line in here.client.lines(f"/rollouts/{segment(name)}/evidence"):
        if line:
            write(line + "\n")


@click.command("audit")
@click.argument("name", metavar="[ID]", required=False)
@click.option("--verify", is_flag=True, help="Of the whole record: recompute the hash chain; 1 where it is broken.")
@online
@session
def audit_command(here: Session, name: str | None, verify: bool) -> int:
    """Show what was decided and done, and by whom, oldest first: of a rollout, or of everything."""
    if name is not None and verify:
        raise click.UsageError("--verify needs the whole chain: leave out ID")
    if name is None:
        return _chain(here, verify)
    found = here.client.get(f"/rollouts/{segment(here.identity(name))}/decisions")
    here.screen.document("rollout.audit/1", found)
    rows = found.get("decisions", [])
    here.screen.text("\n".join(told(each) for each in rows) if rows else "nothing was decided yet")
    return 0


def _chain(here: Session, verify: bool) -> int:
    rows: list[dict[str, Any]] = []
    while more := here.client.get("/audit", after=str(rows[-1]["seq"] if rows else 0)).get("audit", []):
        rows += more
    broken = first_broken(rows) if verify else None
    verdict = {"whole": broken is None, "broken_at": broken, "links": len(rows)}
    here.screen.document(
        "rollout.audit/1", {**verdict, "head": rows[-1]["hash"] if rows else None} if verify else {"audit": rows}
    )
    if not verify:
        here.screen.text("\n".join(told({**each, "at": _instant(each["at"]), "of": each["rollout"]}) for each in rows))
    elif broken is None:
        here.screen.text(f"whole: {len(rows):,} links" + (f", the newest {rows[-1]['hash']}" if rows else ""))
    else:
        here.screen.text(f"BROKEN at link {broken}: somebody changed the record behind the program's back")
    return 0 if broken is None else 1


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


CHAIN = frozenset({"seq", "previous", "hash", "rollout"})  # for the auditor, in --json; noise for a reader


def told(row: dict[str, Any]) -> str:
    """Return one row of the audit as a line: when, what, who, and whatever else it says."""
    detail = row.get("detail")
    facts = row | (detail if isinstance(detail, dict) else {"detail": detail})
    shown = {name: value for name, value in facts.items() if name not in CHAIN and value not in (None, "", {}, [])}
    head = [str(shown.pop(name)) for name in ("at", "kind", "person") if name in shown]
    if isinstance(detail, dict):
        shown.pop("detail", None)
    return clean("  ".join([*head, *(f"{name}={_short(value)}" for name, value in shown.items())]))


def _short(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


@click.command("events")
@click.argument("name", metavar="ID")
@online
@session
def events_command(here: Session, name: str) -> None:
    """Show what happens as it happens, until the rollout is over; with --json one document a line.

    A stream that breaks off is taken up again after the last event seen: none is missed or shown twice.
    """
    path = f"/rollouts/{segment(here.identity(name))}/events"
    last, since = "", time.monotonic()
    while True:
        try:
            for fields in _stream(here, path, last):
                last, since = fields.get("id", last), time.monotonic()
                if fields:
                    _happened(here, fields)
        except UnreachableError:
            if time.monotonic() - since > AWAY_SECONDS:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return


def _stream(here: Session, path: str, last: str) -> Iterator[dict[str, str]]:
    """Yield each event's fields, from the one after `last` on; no fields for a comment: a sign of life."""
    head = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
    fields: dict[str, str] = {}
    for line in here.client.lines(path, head):
        if line and not line.startswith(":"):
            field, _, value = line.partition(":")
            before = f"{fields[field]}\n" if field in fields else ""
            fields[field] = before + value.removeprefix(" ")
        elif line:
            yield {}
        elif fields:
            yield fields
            fields = {}


def _happened(here: Session, fields: dict[str, str]) -> None:
    try:
        body = json.loads(fields.get("data", "{}"))
    except ValueError:
        body = {"data": fields["data"]}
    row = {"seq": fields.get("id"), "kind": fields.get("event"), **(body if isinstance(body, dict) else {"data": body})}
    here.screen.document("rollout.event/1", row)
    here.screen.text(told(row))
