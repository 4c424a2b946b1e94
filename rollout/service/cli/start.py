"""Start a rollout, or show what starting it would do."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from rollout.errors import NotFoundError, SurroundingsError
from rollout.service.cli.output import Screen, clean, fitting, number
from rollout.service.cli.session import Session, online, session

PLAN = "rollout.plan/1"
RELEASE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}/(0|[1-9][0-9]{0,15})", re.ASCII)  # as the API has it
NAMES_SHOWN = 20  # host names of one list; --json has them all


@click.command("start")
@click.argument("release", metavar="PRODUCT/COUNTER")
@click.option("--policy", required=True, metavar="NAME|FILE", help="A stored policy, or a file (YAML or JSON).")
@click.option("--reason", help="Why; kept for ever in the audit.")
@click.option("--dry-run", is_flag=True, help="Show rings, hosts and the worst case; start nothing.")
@click.option("--skip-unstored", is_flag=True, help="Leave out hosts whose present release is not stored.")
@online
@session
def start_command(
    here: Session, release: str, policy: str, reason: str | None, dry_run: bool, skip_unstored: bool
) -> None:
    """Start a rollout of a stored release under a policy."""
    if not RELEASE.fullmatch(release):
        raise click.UsageError(f"a release is PRODUCT/COUNTER, as in sensor/42, not {release!r}")
    if reason is None and not dry_run:
        raise click.UsageError("Missing option '--reason'.")
    body: dict[str, Any] = {"release": release, "policy": named_or_read(policy), "reason": reason or "dry run"}
    body |= {"skip_unstored": True} if skip_unstored else {}
    found = here.client.post("/rollouts", body | ({"dry_run": True} if dry_run else {})).document
    if dry_run:
        _planned(here, found)
        return
    here.screen.document("rollout.started/1", found)
    here.screen.text(str(found.get("rollout")))
    here.screen.say(f"started; follow it with `rollout watch {found.get('rollout')}`")


def named_or_read(policy: str) -> str | dict[str, Any]:
    """Return a policy as the API takes it: a file's document if the name looks like a file, else the name.

    A bare word is always a stored name: a file that happens to lie in this folder never replaces it.
    """
    return read(Path(policy)) if is_file(policy) else policy


def is_file(policy: str) -> bool:
    """Whether a policy is given as a file: by its ending, or by a path of more than one part."""
    return Path(policy).suffix in {".yaml", ".yml", ".json"} or Path(policy).name != policy


def read(path: Path) -> dict[str, Any]:
    """Return the document of a policy file; what it says is judged by the server.

    Raises:
        NotFoundError: the file cannot be read.
        PolicyError: it holds no YAML or JSON map.
    """
    from policies.parse import parse  # noqa: PLC0415 - brings YAML, needed only where a file is read

    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise NotFoundError(f"the policy file {path} cannot be read: {error.strerror}", slug="no-file") from error


def stored_document(here: Session, name: str) -> dict[str, Any]:
    """Return a stored policy's document; NotFoundError."""
    for each in here.client.get("/policies").get("policies", []):
        if each.get("name") == name:
            return dict(each.get("policy") or each.get("document") or each)
    raise NotFoundError(f"no policy called {name!r} is stored; `rollout policy list` shows them", slug="no-policy")


def _planned(here: Session, found: dict[str, Any]) -> None:
    if found.get("rollout") and not found.get("rings"):
        raise SurroundingsError(
            f"the server does not know dry runs and STARTED {found['rollout']}: `rollout halt {found['rollout']}`",
            slug="started",
        )
    here.screen.document(PLAN, found)
    here.screen.text(plan(found, here.screen))


def plan(found: Mapping[str, Any], screen: Screen) -> str:
    """Return a plan (rollout.plan/1) as a person reads it."""
    rings = list(found.get("rings") or [])
    names = ["name", *(name for name in rings[0] if name != "name" and _flat(rings, name))] if rings else []
    rows = [
        tuple(clean(name).replace("_", " ") for name in names),
        *(tuple(_cell(r.get(n)) for n in names) for r in rings),
    ]
    lines = [f"plan  {clean(found.get('release', ''))}  nothing was started", ""]
    lines += fitting(rows, screen.width) if rings else ["no rings"]
    lines += [""] + [_line(name, found[name]) for name in _FACTS if found.get(name) is not None]
    for name in ("strata", "unstored", "ineligible"):
        lines += _listed(name, found.get(name))
    if found.get("delayed"):
        lines += _listed("delayed by limits, to ring", found["delayed"])
    return "\n".join(lines)


_FACTS = {
    "held_out": "held out",
    "hours_at_best": "hours at best",
    "lethal_harm": "hosts a lethal release would harm",
}


def _line(name: str, value: object) -> str:
    return f"{_FACTS[name]}: {_cell(value)}"


def _flat(rings: list[dict[str, Any]], name: str) -> bool:
    return not any(isinstance(ring.get(name), dict) for ring in rings)


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{clean(name)} {_cell(each)}" for name, each in value.items())
    return ", ".join(_cell(each) for each in value) or "-" if isinstance(value, list) else number(value)


def _listed(name: str, value: Any) -> list[str]:
    """Return a list or a map of names, counted, and the first names."""
    if value is None or isinstance(value, int):
        return [f"{name}: {number(value or 0)}"]
    entries = (
        [f"{clean(k)} {_cell(v)}" for k, v in value.items()] if isinstance(value, dict) else [_cell(v) for v in value]
    )
    more = len(entries) - NAMES_SHOWN
    shown = [f"  {each}" for each in entries[:NAMES_SHOWN]] + (
        [f"  and {more:,} more (--json has all)"] if more > 0 else []
    )
    return [f"{name}: {len(entries):,}", *shown]
