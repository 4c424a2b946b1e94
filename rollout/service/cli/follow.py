"""Following a rollout: watch shows it, wait only answers when it is done. Both poll `GET /rollouts/{id}`.

How it ends is the exit code (INTERFACES section 5). A server that goes away in between is given two
minutes: a role that died is back in two seconds, a machine in one minute, and who waits for a night must not end there.
"""

import time
from dataclasses import dataclass
from typing import Any

import click

from policies.duration import parse_duration
from rollout.errors import UnreachableError
from rollout.service.cli.client import segment
from rollout.service.cli.live import Shown, Silence, shown_on
from rollout.service.cli.session import ROLLOUT, Session, online, session

ENDS = {
    "completed": 0, "rejected": 1, "halted": 10, "rolled-back": 11,
    "awaiting-approval": 12, "paused": 12, "held": 13,
}  # fmt: skip
STATES = (*ENDS, "running", "rolling-back")
BLIND, TIMED_OUT = 13, 124
BLIND_SECONDS = 30.0
AWAY_SECONDS = 120.0
POLL_SECONDS = 1.0  # the judge's own tick: looking more often shows nothing new


@dataclass(slots=True)
class End:
    """When following ends: at `goal` with 0, at a state of `ENDS`, after 30 s of blindness, or at `deadline`.

    Times are seconds of the caller's own clock.
    """

    goal: str = "completed"
    deadline: float | None = None
    blind_since: float | None = None

    def reached(self, found: dict[str, Any], now: float) -> int | None:
        """Return the exit code, None to go on."""
        state = str(found.get("state"))
        if state == self.goal:
            return 0
        if state in ENDS:
            return ENDS[state]
        blind = found.get("verdict") == "blind"
        self.blind_since = (now if self.blind_since is None else self.blind_since) if blind else None
        if self.blind_since is not None and now - self.blind_since > BLIND_SECONDS:
            return BLIND
        return TIMED_OUT if self.deadline is not None and now >= self.deadline else None


class Duration(click.ParamType[float]):
    """45s, 10m, 2h, 3d or ISO 8601, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        try:
            return value if isinstance(value, float) else parse_duration(value).total_seconds()
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("wait")
@click.argument("name", metavar="ID")
@click.option("--for", "goal", type=click.Choice(STATES), default="completed", show_default=True, help="This state: 0.")
@click.option("--timeout", type=Duration(), default="24h", show_default=True, help="Then 124.")
@online
@session
def wait_command(here: Session, name: str, goal: str, timeout: float) -> int:
    """Wait for a state. Ends: its state 0, halted 10, rolled back 11, asks 12, held or blind 13, rejected 1."""
    found, code = _follow(here, name, End(goal, time.monotonic() + timeout), Silence())
    here.screen.document(ROLLOUT, found)
    here.screen.text(f"{found['rollout']}  {here.screen.paint(str(found.get('state')))}")
    return _said(here, found, code, goal)


@click.command("watch")
@click.argument("name", metavar="ID")
@click.option("--timeout", type=Duration(), help="Then 124; without it, for as long as it takes.")
@online
@session
def watch_command(here: Session, name: str, timeout: float | None) -> int:
    """Follow a rollout until it ends or asks for a person; the exit code says which."""
    deadline = None if timeout is None else time.monotonic() + timeout
    with shown_on(here.screen) as shown:
        found, code = _follow(here, name, End(deadline=deadline), shown)
    return _said(here, found, code, "completed")


def _said(here: Session, found: dict[str, Any], code: int, goal: str) -> int:
    if code == TIMED_OUT:
        here.screen.say(f"time is up: it is {found.get('state')}, not {goal}")
    elif code:
        why = (found.get("waiting") or {}).get("for") or found.get("sentence") or found.get("verdict")
        here.screen.say(f"{found.get('state')}: {why}\n`rollout explain {found['rollout']}` says more")
    elif found.get("state") != goal:
        here.screen.say(f"it is completed and did not become {goal}")
    return code


def _follow(here: Session, name: str, end: End, shown: Shown) -> tuple[dict[str, Any], int]:
    found = here.rollout(name)
    path = f"/rollouts/{segment(str(found['rollout']))}"
    while True:
        shown.show(found)
        now = time.monotonic()
        code = end.reached(found, now)
        if code is not None:
            return found, code
        left = POLL_SECONDS if end.deadline is None else min(POLL_SECONDS, end.deadline - now)
        time.sleep(max(0.0, left))
        found = _again(here, path, end, found, shown)


def _again(here: Session, path: str, end: End, last: dict[str, Any], shown: Shown) -> dict[str, Any]:
    since = time.monotonic()
    while True:
        try:
            return here.client.get(path)
        except UnreachableError as error:
            now = time.monotonic()
            if end.deadline is not None and now >= end.deadline:
                return last
            if now - since > AWAY_SECONDS:
                raise
            shown.away(str(error))
            time.sleep(POLL_SECONDS)
