"""The fleet: list, get, retire, rekey."""

import re
from typing import Any

import click

from rollout.service.cli.client import segment
from rollout.service.cli.output import clean, number, table, write
from rollout.service.cli.session import Session, online, session
from rollout.service.cli.sheet import csv_of

HOST = "rollout.host/1"
STATES = ("active", "asleep", "dark", "retired")  # as operation.fleet_view has them; importing it costs 0.3 s
TOUCHED = ("outstanding", "confirmed", "failed", "dark", "reverted", "rolled-back")
_reason = click.option("--reason", required=True, help="Why; kept for ever in the audit.")
_host = click.argument("host", metavar="HOST")


@click.group("hosts")
@online
def hosts_command() -> None:
    """Show the fleet as the service knows it."""


@hosts_command.command("list")
@click.option("--ring", help="Only hosts of this ring.")
@click.option("--state", help=f"Only hosts in this state: {', '.join(STATES)}; with --rollout {', '.join(TOUCHED)}.")
@click.option("--product", help="Only hosts of this product.")
@click.option("--rollout", "rollout", metavar="ID", help="Only hosts this rollout touched.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV (RFC 4180) on stdout, safe to open in a spreadsheet.")
@online
@session
def listed(
    here: Session, ring: str | None, state: str | None, product: str | None, rollout: str | None, as_csv: bool
) -> None:
    """List hosts; for hands-on work: --state dark --csv, of one rollout with --rollout ID."""
    if rollout is not None and (ring or product):
        raise click.UsageError("--rollout goes with --state and --csv only")
    if as_csv and here.screen.json:
        raise click.UsageError("--csv and --json: say one of them")
    known = STATES if rollout is None else TOUCHED
    if state is not None and state not in known:
        raise click.UsageError(f"{state!r} is no state here; known are {', '.join(known)}")
    path = "/hosts" if rollout is None else f"/rollouts/{segment(here.identity(rollout))}/hosts"
    details = "true" if as_csv and rollout is not None else None
    found = here.client.get(path, ring=ring, state=state, product=product, details=details)
    hosts = found.get("hosts", [])
    if as_csv:
        write(csv_of(_SHEET if rollout is None else _SHEET_OF_ROLLOUT, hosts))
        return
    here.screen.document("rollout.hosts/1", found)
    names = [name for name in _COLUMNS if any(name in each for each in hosts)]
    rows = [names, *([_cell(each.get(name)) for name in names] for each in hosts)]
    here.screen.text("\n".join(table(rows, left=range(len(names)))) if hosts else "no hosts")


_SHEET = ("host", "site", "stratum", "state", "last_beat", "running", "rings")
_SHEET_OF_ROLLOUT = ("host", "site", "stratum", "ring", "state", "last_beat", "running", "baseline", "adoption")
_FRACTION = re.compile(r"\.\d+Z$")  # of a second: --json and --csv have it
_COLUMNS = ("host", "stratum", "ring", "rings", "running", "adoption", "state", "last_beat")


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{clean(name)}={clean(each)}" for name, each in value.items()) or "-"
    if isinstance(value, str):
        return clean(_FRACTION.sub("Z", value))
    return clean(value) if isinstance(value, int) else number(value)


@hosts_command.command("get")
@_host
@online
@session
def get(here: Session, host: str) -> None:
    """Show one host."""
    _show(here, here.client.get(f"/hosts/{segment(host)}"))


@hosts_command.command("retire")
@_host
@_reason
@online
@session
def retire(here: Session, host: str, reason: str) -> None:
    """Take a host out of the fleet's counts."""
    _show(here, here.client.post(f"/hosts/{segment(host)}/retire", {"reason": reason}).document)
    here.screen.say(f"retired {host}")


@hosts_command.command("rekey")
@_host
@_reason
@online
@session
def rekey(here: Session, host: str, reason: str) -> None:
    """Let a host enrol again with another key."""
    _show(here, here.client.post(f"/hosts/{segment(host)}/rekey", {"reason": reason}).document)
    here.screen.say(f"{host} may enrol with another key")


_ADOPTION = ("rollout", "ring", "state", "adoption")


def _show(here: Session, found: dict[str, Any]) -> None:
    here.screen.document(HOST, found)
    rows = [(name, _cell(value)) for name, value in found.items() if name != "adoptions"]
    adoptions = found.get("adoptions") or []
    rows += [("adoption", "  ".join(str(each.get(name)) for name in _ADOPTION)) for each in adoptions]
    here.screen.text("\n".join(table(rows, left=(0, 1))))
