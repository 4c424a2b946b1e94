"""The service itself: everything on one machine, one role each, and the demonstration.

These three families start long-running work elsewhere; here is only how they are asked for.
"""

import os
from dataclasses import replace
from pathlib import Path

import click

from rollout.service.cli.session import Session, form, session

SCENARIOS = ("crashing", "good", "lethal", "boot-loop", "blind")
LEAST_HOSTS = 30  # of a demonstration: fewer leave no control to compare a ring with


@click.command("up")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of everything kept (the user's data directory).")
@click.option("--api", metavar="HOST:PORT", help="Control API and console (127.0.0.1:8470; port 0: a free one).")
@click.option("--gateway", metavar="HOST:PORT", help="The hosts' door (127.0.0.1:8471).")
@click.option("--heartbeat", metavar="DURATION", help="A host's interval while no rollout is open (60s).")
@click.option("--json", "json_output", is_flag=True, help="One JSON line on stdout when ready, and nothing else.")
@session
def up_command(
    here: Session, data: Path | None, api: str | None, gateway: str | None, heartbeat: str | None, json_output: bool
) -> int:
    """Run the whole service on this machine until Ctrl-C; everything is kept."""
    from policies.duration import parse_duration  # noqa: PLC0415 - none of these is needed by other commands
    from rollout.adapters.settings import Endpoint, Settings  # noqa: PLC0415
    from rollout.errors import InvalidError  # noqa: PLC0415
    from rollout.service.up.run import run_up  # noqa: PLC0415

    settings = Settings.from_environment(os.environ)
    try:
        told = replace(
            settings,
            api=Endpoint.parse(api, "--api") if api else settings.api,
            gateway=Endpoint.parse(gateway, "--gateway") if gateway else settings.gateway,
            heartbeat_seconds=parse_duration(heartbeat).total_seconds() if heartbeat else settings.heartbeat_seconds,
        )
    except (ValueError, InvalidError) as error:
        raise click.UsageError(str(error)) from error
    moved = replace(told, data=data, database=os.environ.get("ROLLOUT_DATABASE", "")) if data else told
    return run_up(moved, json_output=json_output or here.screen.json)


def _role(name: str, words: str) -> click.Command:
    @click.command(name, help=f"{words} Settings: ROLLOUT_* in the environment. With --json one line once it listens.")
    @form
    @session
    def command(here: Session) -> int:
        from rollout.service.up.role import run  # noqa: PLC0415 - each role loads only its own

        return run(name, lambda url: here.screen.document("rollout.role/1", {"role": name, "url": url}))

    return command


serve_command = _role("serve", "Serve the control API and the console.")
gateway_command = _role("gateway", "Serve hosts: admission, telemetry, metadata.")
worker_command = _role("worker", "Judge, renew leases, execute workflows.")


@click.command("demo")
@click.option("--scenario", type=click.Choice(SCENARIOS), default="crashing", show_default=True)
@click.option("--hosts", type=click.IntRange(LEAST_HOSTS), help="How many simulated hosts.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--fast", is_flag=True, help="Shorter waits, fewer hosts.")
@form
@session
def demo_command(here: Session, scenario: str, hosts: int | None, seed: int, fast: bool) -> int:
    """Run the whole service with a simulated fleet, to the end; 0 when it ended as it should."""
    from rollout.service.demo.run import run_demo  # noqa: PLC0415 - brings the whole service

    form_ = {"json_output": here.screen.json, "plain": here.screen.plain}
    return run_demo(scenario=scenario, hosts=hosts, seed=seed, fast=fast, **form_)
