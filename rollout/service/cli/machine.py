"""This machine: a check-up, the engine's program, completion for a shell, the version."""

import os
from importlib.metadata import version
from pathlib import Path

import click

from rollout.errors import NotFoundError, RolloutError
from rollout.service.cli.output import clean, number, table, write
from rollout.service.cli.session import Session, form, online, session

DISTRIBUTION = "rollout-orchestrator"


@click.group("engine")
@form
def engine_command() -> None:
    """The workflow engine's program: find it, or build it from pinned source."""


@engine_command.command("install")
@form
@session
def install(here: Session) -> None:
    """Build the engine if none is there; with a cold cache it takes some minutes."""
    from rollout.adapters.engine import resolve  # noqa: PLC0415 - only here and in `up`

    path = resolve.install(here.screen.say)
    here.screen.document("rollout.engine/1", resolve.status() | {"binary": str(path)})
    here.screen.text(str(path))


@engine_command.command("status")
@form
@session
def status(here: Session) -> None:
    """Show which engine would be used."""
    from rollout.adapters.engine import resolve  # noqa: PLC0415 - only here and in `up`

    found = resolve.status()
    here.screen.document("rollout.engine/1", found)
    rows = [(name, number(value)) for name, value in found.items() if name not in {"schema", "notes"}]
    here.screen.text("\n".join([*table(rows, left=(0, 1)), *found["notes"]]))


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@form
@session
def completion_command(here: Session, shell: str) -> None:
    """Write a shell's completion: eval "$(rollout completion bash)"."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only here

    from rollout.service.cli.main import cli  # noqa: PLC0415 - the root imports this module when it runs it

    kind = get_completion_class(shell)
    if kind is None:
        raise NotFoundError(f"no completion is known for {shell}", slug="no-shell")
    script = kind(cli, {}, "rollout", "_ROLLOUT_COMPLETE").source()
    here.screen.document("rollout.completion/1", {"shell": shell, "script": script})
    if not here.screen.json:
        write(script.rstrip() + "\n")  # for a shell: never folded


@click.command("version")
@online
@session
def version_command(here: Session) -> None:
    """Show this program's version and, where one answers, the server's."""
    ours = version(DISTRIBUTION)
    try:
        server = here.client.get("/version")
    except RolloutError:  # a version without a server is the usual case, and no fault
        server = None
    here.screen.document("rollout.version/1", {"version": ours, "server": server})
    here.screen.text(f"rollout {ours}" + (f"\nserver {server.get('version')}" if server else ""))


@click.command("doctor")
@click.option("--data", type=click.Path(path_type=Path), help="The data folder to look at.")
@form
@session
def doctor_command(here: Session, data: Path | None) -> int:
    """Look at this machine and its data; 1 when something does not work or is not safe."""
    from rollout.adapters.settings import Settings  # noqa: PLC0415 - only here
    from rollout.service.doctor import report  # noqa: PLC0415 - brings the store

    found = report(Settings.from_environment(os.environ | ({"ROLLOUT_DATA": str(data)} if data else {})))
    here.screen.document("rollout.doctor/1", found)
    for each in found["checks"]:
        word = here.screen.paint(each["status"], {"ok": "green", "warn": "yellow"}.get(each["status"], "red"))
        here.screen.text(f"{word}{' ' * (5 - len(each['status']))}{each['check']}: {clean(each['detail'])}")
        if each["mend"]:
            here.screen.text(f"     run: {clean(each['mend'])}")
    return 1 if found["status"] == "fail" else 0
