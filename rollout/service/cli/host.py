"""A host's side: enrol, run the agent, or check signed metadata once, which needs no server of ours, only the files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from rollout.service.cli.agent import enrol_command, run_command
from rollout.service.cli.output import clean, table
from rollout.service.cli.session import Session, form, session


class _Moment(click.ParamType[datetime]):
    """RFC 3339, with its offset."""

    name = "rfc3339"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time such as 2026-11-22T09:00:00Z", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} says no offset; write Z for UTC", param, ctx)
        return moment.astimezone(UTC)


@click.group("host")
@form
def host_command() -> None:
    """The reference agent, and what a host would do."""


host_command.add_command(enrol_command)
host_command.add_command(run_command)


@host_command.command("check")
@click.option("--state", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The host's state.")
@click.option("--director", required=True, metavar="URL", help="Base URL of the ring's Director.")
@click.option("--image", required=True, metavar="URL", help="Base URL of the Image repository.")
@click.option("--ring", required=True, help="This host's ring.")
@click.option("--now", type=_Moment(), metavar="RFC3339", help="Stands for this host's clock everywhere.")
@form
@session
def check(here: Session, state: Path, director: str, image: str, ring: str, now: datetime | None) -> int:
    """Check the signed metadata of one ring once; installs nothing."""
    from rollout.host.check import check as checked  # noqa: PLC0415 - brings the TUF client, needed only here

    found = checked(state, director, image, ring, now)
    body = found.to_json()
    here.screen.document("rollout.check/1", body)
    here.screen.text(_refused(body) if found.refused is not None else _directives(body))
    return found.exit_code


def _refused(body: dict[str, object]) -> str:
    return clean(f"refused  {body['refused']}: {body['detail']}")


def _directives(body: dict[str, Any]) -> str:
    names = ("product", "action", "release_counter", "selected")
    rows = [names, *(tuple(str(each[name]) for name in names) for each in body["directives"])]
    return "\n".join(table(rows, left=range(4))) if body["directives"] else "no directives"
