"""The fleet: list, get, retire, rekey."""

from typing import Any

import click

from rollout.service.cli.client import segment
from rollout.service.cli.output import clean, number, table
from rollout.service.cli.session import Session, online, session

HOST = "rollout.host/1"
_reason = click.option("--reason", required=True, help="Why; kept for ever in the audit.")
_host = click.argument("host", metavar="HOST")


@click.group("hosts")
@online
def hosts_command() -> None:
    """Show the fleet as the service knows it."""


@hosts_command.command("list")
@click.option("--ring", help="Only hosts of this ring.")
@click.option("--state", help="Only hosts in this state: active, asleep, dark, retired; of a rollout also others.")
@click.option("--product", help="Only hosts of this product.")
@click.option("--rollout", "rollout", metavar="ID", help="Only hosts this rollout touched.")
@online
@session
def listed(here: Session, ring: str | None, state: str | None, product: str | None, rollout: str | None) -> None:
    """List hosts."""
    if rollout is not None and (ring or product):
        raise click.UsageError("--rollout goes with --state only")
    path = "/hosts" if rollout is None else f"/rollouts/{segment(here.identity(rollout))}/hosts"
    found = here.client.get(path, ring=ring, state=state, product=product)
    here.screen.document("rollout.hosts/1", found)
    hosts = found.get("hosts", [])
    names = [name for name in _COLUMNS if any(name in each for each in hosts)]
    rows = [names, *([_cell(each.get(name)) for name in names] for each in hosts)]
    here.screen.text("\n".join(table(rows, left=range(len(names)))) if hosts else "no hosts")


_COLUMNS = ("host", "stratum", "ring", "rings", "running", "adoption", "state", "last_beat")


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{clean(name)}={clean(each)}" for name, each in value.items()) or "-"
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


def _show(here: Session, found: dict[str, Any]) -> None:
    here.screen.document(HOST, found)
    rows = [(name, _cell(value)) for name, value in found.items() if name != "adoptions"]
    adoptions = found.get("adoptions") or []
    lines = table(rows, left=(0, 1)) + [clean("adoption  " + _cell(each)) for each in adoptions]
    here.screen.text("\n".join(lines))
