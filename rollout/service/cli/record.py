"""The record of a rollout: its evidence, what was decided, and events as they happen."""

import json
from typing import Any

import click

from rollout.errors import NotFoundError
from rollout.service.cli.client import segment
from rollout.service.cli.output import clean, encoded, write
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
@click.argument("name", metavar="ID")
@online
@session
def audit_command(here: Session, name: str) -> None:
    """Show what was decided and done, and by whom, oldest first."""
    found = here.client.get(f"/rollouts/{segment(here.identity(name))}/decisions")
    here.screen.document("rollout.audit/1", found)
    rows = found.get("decisions", [])
    here.screen.text("\n".join(told(each) for each in rows) if rows else "nothing was decided yet")


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
    """Show what happens as it happens, until the rollout is over; with --json one document a line."""
    path = f"/rollouts/{segment(here.identity(name))}/events"
    fields: dict[str, str] = {}
    for line in here.client.lines(path, {"Accept": "text/event-stream"}):
        if line and not line.startswith(":"):
            field, _, value = line.partition(":")
            before = f"{fields[field]}\n" if field in fields else ""
            fields[field] = before + value.removeprefix(" ")
        elif not line and fields:
            _happened(here, fields)
            fields = {}


def _happened(here: Session, fields: dict[str, str]) -> None:
    try:
        body = json.loads(fields.get("data", "{}"))
    except ValueError:
        body = {"data": fields["data"]}
    row = {"seq": fields.get("id"), "kind": fields.get("event"), **(body if isinstance(body, dict) else {"data": body})}
    write(f"{encoded({'schema': 'rollout.event/1', **row}) if here.screen.json else told(row)}\n")
