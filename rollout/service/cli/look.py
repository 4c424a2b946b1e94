"""Looking: list, get, explain, decisions. Nothing here changes anything."""

from typing import Any

import click

from rollout.service.cli import view
from rollout.service.cli.follow import STATES
from rollout.service.cli.output import clean, number, table
from rollout.service.cli.record import told
from rollout.service.cli.session import ROLLOUT, Session, online, session


@click.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only rollouts in this state.")
@online
@session
def list_command(here: Session, state: str | None) -> None:
    """Show the rollouts, newest first."""
    found = here.client.get("/rollouts", state=state)
    here.screen.document("rollout.rollouts/1", found)
    rows = [("rollout", "release", "state", "verdict", "failed", "outstanding")]
    rows += [_row(each) for each in found.get("rollouts", [])]
    here.screen.text("\n".join(table(rows, left=(0, 1, 2, 3))) if len(rows) > 1 else "no rollouts")


def _row(found: dict[str, Any]) -> tuple[Any, ...]:
    rings = found.get("rings") or []
    sums = (sum(int(ring.get(name) or 0) for ring in rings) for name in ("failed", "outstanding"))
    state = f"{found.get('state')}{' (frozen)' if found.get('frozen') else ''}"
    return (found.get("rollout"), found.get("release"), state, found.get("verdict"), *sums)


@click.command("get")
@click.argument("name", metavar="ID")
@online
@session
def get_command(here: Session, name: str) -> None:
    """Show one rollout: its rings, its verdict, and what it waits for."""
    found = here.rollout(name)
    here.screen.document(ROLLOUT, found)
    here.screen.text(view.rollout(found, here.screen))


@click.command("explain")
@click.argument("name", metavar="ID")
@click.option(
    "--last", type=click.IntRange(0), default=10, show_default=True, help="How many of the newest decisions to show."
)
@online
@session
def explain_command(here: Session, name: str, last: int) -> None:
    """Say why a rollout stands where it stands: evidence, limits, the newest decisions."""
    found = here.rollout(name)
    made = here.client.get(f"/rollouts/{found['rollout']}/decisions").get("decisions", [])
    here.screen.document("rollout.explanation/1", {"rollout": found, "decisions": made})
    newest = made[-last:] if last > 0 else []
    lines = [view.rollout(found, here.screen), "", *_evidence(found)]
    here.screen.text("\n".join([*lines, "", *(told(each) for each in newest)]) if newest else "\n".join(lines))


def _evidence(found: dict[str, Any]) -> list[str]:
    evidence = found.get("e") or {}
    halt = evidence.get("halt")
    if halt is None:
        return ["No evidence was judged yet; without it nothing is adopted."]
    said = f"E = {number(halt)}; halt_at (100 in shipped policies) stops, pause_at (20) pauses."
    why = found.get("explanation") or {}
    gates = [f"  {'open' if gate.get('passed') else 'shut'}  {_gate(gate)}" for gate in why.get("gates") or ()]
    terms = [f"  {clean(str(term.get('sentence')))}" for term in why.get("terms") or ()]
    if not terms:
        guards = sorted((evidence.get("guards") or {}).items(), key=lambda each: -(each[1] or 0))
        terms = [f"  {name} {number(value)}" for name, value in guards]
    return [said, *terms, *(["What would promote:", *gates] if gates else [])]


def _gate(gate: dict[str, Any]) -> str:
    left = gate.get("hours")
    soon = f" (in about {number(left)} h at the present rate)" if left and not gate.get("passed") else ""
    return clean(f"{gate.get('sentence')}{soon}")


@click.command("decisions")
@online
@session
def decisions_command(here: Session) -> None:
    """Show what waits for a person, oldest first, each with the one command to run."""
    found = here.client.get("/decisions")
    here.screen.document("rollout.decisions/1", found)
    shown = [_asked(each) for each in found.get("decisions", [])]
    here.screen.text("\n\n".join(shown) if shown else "nothing waits for a person")


def _asked(each: dict[str, Any]) -> str:
    ring = f" ring {each['ring']}" if each.get("ring") else ""
    votes = f" ({each.get('have', 0)} of {each['need']} said yes)" if each.get("need") else ""
    where = each.get("rollout") or "everything"
    head = clean(f"{each.get('kind')} {where}{ring}{votes}, since {each.get('since', '-')}")
    said = f"\n  {clean(each['sentence'])}" if each.get("sentence") else ""
    return f"{head}{said}\n  {view.command(each, str(each.get('kind')), each.get('ring'))}"
