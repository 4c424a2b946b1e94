"""The reference agent: enrol this machine, and run on it. Needs the gateway, never the control API."""

import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from policies.duration import parse_duration
from rollout.errors import InvalidError
from rollout.host.messages import Absence
from rollout.service.cli.output import clean
from rollout.service.cli.session import Session, form, session, with_token

FORMS = ("laptop", "desktop", "server")
_ABSENCES: Mapping[signal.Signals, Absence] = {signal.SIGUSR1: "sleeping", signal.SIGUSR2: "leaving"}  # docs/agent.md
_state = click.option(
    "--state", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The host's state folder."
)


class Seconds(click.ParamType[float]):
    """A duration."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it, in seconds."""
        try:
            return value if isinstance(value, float) else parse_duration(value).total_seconds()
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Release(click.ParamType[tuple[str, int]]):
    """PRODUCT/COUNTER."""

    name = "product/counter"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        product, _, counter = str(value).partition("/")
        if not (product and counter.isascii() and counter.isdecimal()):
            self.fail(f"{value!r} is not PRODUCT/COUNTER, such as sensor/7", param, ctx)
        return product, int(counter)


@click.command("enrol")
@_state
@click.option("--gateway", metavar="URL", help="The hosts' door. Absent: where this host is enrolled already.")
@click.option("--host", "name", metavar="ID", help="This host's id.")
@click.option("--os-build", type=click.IntRange(0, 2**32 - 1))
@click.option("--hardware", metavar="NAME", help="The model, as releases name it.")
@click.option("--form", "shape", type=click.Choice(FORMS))
@click.option("--site", metavar="NAME")
@click.option("--role", metavar="NAME")
@click.option("--tenant", metavar="NAME")
@click.option("--tag", "tags", multiple=True, metavar="NAME", help="May be repeated; rings can select tags.")
@click.option("--runs", type=_Release(), multiple=True, help="What runs already; the installer's word replaces it.")
@click.option("--image-root", type=click.Path(path_type=Path), metavar="FILE", help="The Image root to pin, for good.")
@click.option("--new-journal", is_flag=True, help="Put a damaged journal aside, after a person has looked.")
@with_token
@session
def enrol_command(
    here: Session,
    /,
    state: Path,
    gateway: str | None,
    name: str | None,
    runs: Sequence[tuple[str, int]],
    image_root: Path | None,
    new_journal: bool,
    **told: Any,
) -> None:
    """Enrol this machine; the same again changes nothing, other attributes replace those that were told before."""
    from rollout.host.enrol import Application, enrol  # noqa: PLC0415 - brings the TUF client, needed only here

    before = _before(state)
    asked = Application(
        host=_needed("--host", name or before.get("host")),
        gateway=_needed("--gateway", gateway or before.get("gateway")),
        token=here.token,
        attributes=_attributes(told, before.get("attributes", {})),
        image_root=None if image_root is None else _bytes(image_root),
        installed=dict(runs),
        new_journal=new_journal,
    )
    said = enrol(state, asked)
    body = {"host": asked.host, "gateway": asked.gateway, "rings": said.rings, "heartbeat": said.heartbeat}
    here.screen.document("rollout.enrolment/1", body)
    here.screen.text(clean(f"{asked.host} is enrolled at {asked.gateway}"))
    here.screen.say(f"now `rollout host run --state {state} --installer CMD`")


@click.command("run")
@_state
@click.option("--installer", required=True, metavar="CMD", help="The command that installs (docs/agent.md).")
@click.option("--installer-timeout", type=Seconds(), default="10m", show_default=True)
@click.option("--settle", type=Seconds(), default="10m", show_default=True, help="How long a candidate is on trial.")
@click.option("--boots", type=click.IntRange(1), default=3, show_default=True, help="Failed boots before it reverts.")
@click.option("--poll", type=Seconds(), help="Between two looks at the metadata (the heartbeat).")
@click.option(
    "--measures", type=click.Path(path_type=Path), metavar="FILE", help="Numbers that the product writes, for beats."
)
@click.option("--once", is_flag=True, help="One beat, one round, one beat.")
@click.option("--start-is-boot", is_flag=True, help="Each start counts as a boot: for containers and for trying.")
@form
@session
def run_command(
    here: Session,
    state: Path,
    installer: str,
    installer_timeout: float,
    settle: float,
    boots: int,
    poll: float | None,
    measures: Path | None,
    once: bool,
    start_is_boot: bool,
) -> int:
    """Run the agent: beat, check, ask, install, confirm, until Ctrl-C. 1 where a round could not read everything.

    SIGUSR1 says that the machine is about to sleep, SIGUSR2 that it will be off for long: announced at once.
    """
    from rollout.host.beater import Calls  # noqa: PLC0415 - as below
    from rollout.host.change import Patience  # noqa: PLC0415 - brings the TUF client, needed only here
    from rollout.host.run import Terms, run  # noqa: PLC0415 - as above

    terms = Terms(installer, Patience(settle, boots), poll, installer_timeout, start_is_boot, measures)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    calls = Calls()
    for number, absence in _ABSENCES.items():
        signal.signal(number, lambda *_, absence=absence: calls.put(absence))
    found = run(state, terms, stopped, here.screen.say, once=once, calls=calls)
    here.screen.document("rollout.agent/1", found)
    here.screen.text(_line(found))
    sys.stderr.flush()
    return 0 if found["whole"] or not once else 1


def _line(found: Mapping[str, Any]) -> str:
    running = ", ".join(f"{product}/{counter}" for product, counter in found["running"].items()) or "nothing"
    named = "" if found["adoption"] is None else f" (adoption {found['adoption']}, {found['phase']})"
    return clean(f"{found['host']} runs {running}{named}")


def _before(state: Path) -> Mapping[str, Any]:
    """What an earlier enrolment wrote down."""
    from rollout.host.folder import AGENT, read_identity  # noqa: PLC0415 - as above

    if not (state / AGENT).exists():
        return {}
    found = read_identity(state)
    return {"host": found.host, "gateway": found.gateway, "attributes": found.attributes}


def _attributes(told: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    given = {
        "os_build": told["os_build"],
        "hardware": told["hardware"],
        "form": told["shape"],
        "site": told["site"],
        "role": told["role"],
        "tenant": told["tenant"],
        "tags": list(told["tags"]) or None,
    }
    found = {**before, **{name: value for name, value in given.items() if value is not None}}
    for name, flag in (("os_build", "--os-build"), ("hardware", "--hardware"), ("form", "--form")):
        _needed(flag, found.get(name))
    return found


def _needed(flag: str, value: Any) -> Any:
    if value is None:
        raise click.UsageError(f"{flag} is needed the first time")
    return value


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidError(f"{path} cannot be read: {error.strerror}", slug="no-file") from error
