"""Tokens: make, list, revoke. The secret is shown once, on stdout, and nowhere else."""

import click

from rollout.service.cli.client import segment
from rollout.service.cli.follow import Duration
from rollout.service.cli.output import table
from rollout.service.cli.session import Session, online, session

ROLES = ("viewer", "releaser", "operator", "approver", "admin", "enrol", "collector")


def _duration(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Pass a duration on as it was written; the server is sent nothing that is none."""
    if value is not None:
        Duration().convert(value, option, context)
    return value


@click.group("token")
@online
def token_command() -> None:
    """Tokens for people and machines."""


@token_command.command("create")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What its bearer may do.")
@click.option("--name", required=True, help="The person: two tokens of one name are one person.")
@click.option("--uses", type=click.IntRange(1, 2**31 - 1), help="How often an enrolment token may be used.")
@click.option("--ttl", callback=_duration, help="How long it lives: 45s, 10m, 2h, 3d (the server's default: 90 days).")
@online
@session
def create(here: Session, role: str, name: str, uses: int | None, ttl: str | None) -> None:
    """Make a token; it is shown this once."""
    given = {"role": role, "name": name, "uses": uses, "ttl": ttl}
    found = here.client.post("/tokens", {name: value for name, value in given.items() if value is not None}).document
    here.screen.document("rollout.token/1", found)
    here.screen.text(str(found["token"]))
    here.screen.say(
        f"token {found.get('id')} of {name}, role {role}, until {found.get('expires')}; it is not shown again"
    )


@token_command.command("list")
@online
@session
def listed(here: Session) -> None:
    """List tokens, without their secrets."""
    found = here.client.get("/tokens")
    here.screen.document("rollout.tokens/1", found)
    names = ("id", "name", "role", "uses", "expires", "revoked")
    rows = [names, *(tuple(_shown(each.get(name)) for name in names) for each in found.get("tokens", []))]
    here.screen.text("\n".join(table(rows, left=range(len(names)))))


def _shown(value: object) -> object:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


@token_command.command("revoke")
@click.argument("token", metavar="TOKEN-ID")
@online
@session
def revoke(here: Session, token: str) -> None:
    """Make a token worthless at once."""
    found = here.client.delete(f"/tokens/{segment(token)}").document
    here.screen.document("rollout.token/1", {"id": token, **found})
    here.screen.say(f"revoked {token}")
