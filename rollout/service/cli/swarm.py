"""Many simulated hosts against a running gateway: the demonstration's fleet, for a service of one's own."""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policies.measure import LARGEST, NAME
from rollout.errors import InvalidError
from rollout.service.cli.agent import Seconds
from rollout.service.cli.output import Screen, table
from rollout.service.cli.server import Flags, bearer
from rollout.service.cli.session import Session, session, with_token
from rollout.service.cli.share import Share

if TYPE_CHECKING:
    from rollout.simulation.swarm.faults import Measured
    from rollout.simulation.swarm.swarm import Swarm

FAULTS = ("good", "crashing", "lethal", "boot-loop", "reverting")
TELL_SECONDS = 10.0
_LOOK_SECONDS = 0.2


@click.command("swarm")
@click.option("--gateway", required=True, metavar="URL", help="The hosts' door, plain http.")
@click.option("--hosts", type=click.IntRange(1), default=200, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--product", required=True)
@click.option("--runs", type=click.IntRange(0), multiple=True, default=(1,), show_default=True, help="May be repeated.")
@click.option("--fault", type=click.Choice(FAULTS), default="good", show_default=True, help="What a candidate does.")
@click.option("--share", type=Share(), default=1.0, show_default=True, help="Of the hosts it hits.")
@click.option("--mean", type=Seconds(), default="5s", show_default=True, help="From load to crash, on average.")
@click.option("--measure", metavar="NAME=NUMBER[+MORE]", help="What beats report, MORE of it from a candidate.")
@click.option("--heartbeat", type=Seconds(), default="1s", show_default=True)
@click.option("--for", "seconds", type=Seconds(), help="How long to live. Absent: until Ctrl-C.")
@click.option("--collector-token-file", metavar="FILE", help="The collector's token, where --token-file only enrols.")
@click.option(
    "--image-root", type=click.Path(path_type=Path), metavar="FILE", help="Needed but for a loopback gateway."
)
@with_token
@session
def swarm_command(here: Session, /, seconds: float | None, collector_token_file: str | None, **told: Any) -> None:
    """Enrol simulated hosts, let them beat, ask and adopt, and say what really became of them.

    A token of role admin enrols and beats; else give one of role enrol and one of role collector.
    """
    collector = bearer(Flags(token_file=collector_token_file)) if collector_token_file else here.token
    swarm = _swarm(told, here.token, collector or here.token)
    try:
        asyncio.run(_live(swarm, seconds, here.screen))
    except ExceptionGroup as group:
        raise _first(group) from group
    found = swarm.truth.view()
    here.screen.document("rollout.swarm/1", found)
    here.screen.text("\n".join(table([("what", "count"), *_rows(found)])))


def _swarm(told: Mapping[str, Any], enrol: str, collector: str) -> "Swarm":
    from rollout.simulation.swarm.faults import Fault, Kind  # noqa: PLC0415 - brings the whole fleet, needed only here
    from rollout.simulation.swarm.swarm import Settings, Swarm  # noqa: PLC0415 - as above

    settings = Settings(
        gateway=told["gateway"].rstrip("/"),
        enrol_token=enrol,
        collector_token=collector,
        product=told["product"],
        baselines=tuple(told["runs"]),
        image_root=_root(told["gateway"], told["image_root"]),
        measured=_measured(told["measure"]),
    )
    fault = Fault(Kind(told["fault"]), share=told["share"], mean_seconds=told["mean"])
    return Swarm(settings, told["hosts"], told["seed"], fault, told["heartbeat"])


def _measured(text: str | None) -> "Measured | None":
    """Read NAME=NUMBER[+MORE]."""
    from rollout.simulation.swarm.faults import Measured  # noqa: PLC0415 - as above

    if text is None:
        return None
    name, _, numbers = text.partition("=")
    usual, _, raised = numbers.partition("+")
    try:
        found = Measured(name, float(usual), float(raised or 0.0))
    except ValueError:
        found = None
    if found is None or not NAME.fullmatch(name) or not abs(found.usual) + abs(found.raised) <= LARGEST / 2:
        raise click.UsageError(f"--measure {text!r} is not NAME=NUMBER[+MORE], such as cpu=0.1+0.05")
    return found


def _root(gateway: str, path: Path | None) -> bytes | None:
    """The pinned root; the first one served is taken from this machine only."""
    from rollout.host.fetch import is_loopback  # noqa: PLC0415 - as above

    if path is None and not is_loopback(gateway):
        raise click.UsageError("--image-root is needed: the first root never comes from the network")
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise InvalidError(f"{path} cannot be read: {error.strerror}", slug="no-file") from error


async def _live(swarm: "Swarm", seconds: float | None, screen: Screen) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with asyncio.TaskGroup() as group:
        life = group.create_task(swarm.run(stopped))
        await _ready(swarm, life, stopped)
        screen.say(f"{swarm.truth.enrolled} hosts are enrolled and beat")
        end = None if seconds is None else asyncio.get_running_loop().time() + seconds
        while not stopped.is_set() and not life.done():
            left = TELL_SECONDS if end is None else min(TELL_SECONDS, end - asyncio.get_running_loop().time())
            if left <= 0:
                stopped.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), max(0.0, left))
            truth = swarm.truth
            screen.say(f"asked {truth.asked}, went {truth.went}, harmed {truth.harmed}, back {truth.back}")
        stopped.set()


async def _ready(swarm: "Swarm", life: "asyncio.Task[None]", stopped: asyncio.Event) -> None:
    """Wait until every host was heard; asked to end before, end the enrolment too."""
    while not swarm.ready.is_set() and not life.done():
        if stopped.is_set():
            life.cancel()
        await asyncio.sleep(_LOOK_SECONDS)


def _rows(found: Mapping[str, Any]) -> Sequence[tuple[str, object]]:
    plain = [(name, value) for name, value in found.items() if isinstance(value, int)]
    counted = [
        (f"{name} {key}", n) for name, value in found.items() if isinstance(value, dict) for key, n in value.items()
    ]
    return [*plain, *counted]


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
