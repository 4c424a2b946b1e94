"""Policies: check one, store one, show one, list those that are stored."""

from pathlib import Path
from typing import Any

import click

from rollout.service.cli.output import clean, fitting, short, table
from rollout.service.cli.session import Session, form, online, session
from rollout.service.cli.share import Share
from rollout.service.cli.start import named_or_read, read, stored_document
from rollout.service.cli.trial import try_command

REFUSED = 1
LINT = "rollout.lint/1"


@click.group("policy")
@form
def policy_command() -> None:
    """Check, try, store and show policies."""


policy_command.add_command(try_command)


@policy_command.command("lint")
@click.argument("policy", metavar="FILE|NAME")
@click.option("--fleet", is_flag=True, help="Let the server judge a file too: against its fleet and its people.")
@click.option("--hosts", type=click.IntRange(1, 10**9), help="Of a file, without a server: what rings of so many see.")
@click.option("--rate", type=Share(), metavar="R", help="With --hosts: their crashes per host-hour.")
@online
@session
def lint(here: Session, policy: str, fleet: bool, hosts: int | None, rate: float | None) -> int:
    """Check a policy: a file by itself, without a server; a stored name against the fleet.

    Of a file it shows what each ring could see on the reference fleet (100,000 hosts), or on one of --hosts.
    """
    given = read(Path(policy)) if Path(policy).is_file() else named_or_read(policy)
    if isinstance(given, dict) and not fleet:
        return _said(here, _alone(given, hosts, rate))
    if hosts is not None or rate is not None:
        raise click.UsageError("--hosts and --rate are for a file by itself: the server knows its own fleet")
    body = {"policy": given}
    return _said(here, here.client.post("/policies/lint", body).document)


def _alone(given: dict[str, Any], hosts: int | None, rate: float | None) -> dict[str, Any]:
    """Lint without a server, on a fleet of --hosts; without them what rings see is shown of the reference fleet."""
    from policies.error import PolicyError  # noqa: PLC0415 - brings pydantic, needed only here
    from policies.load import load  # noqa: PLC0415 - as above
    from rollout.operation.base_rate import REFERENCE_RATE  # noqa: PLC0415 - as above
    from rollout.operation.lint import REFERENCE_HOSTS, prospect  # noqa: PLC0415 - as above

    try:
        policy = load(given)
    except PolicyError as error:
        problems = [{"code": each.code, "detail": each.detail} for each in error.problems]
        return {"accepted": False, "problems": problems, "warnings": [], "rings": []}
    size, often = hosts or REFERENCE_HOSTS, REFERENCE_RATE if rate is None else rate
    found = prospect(policy, size, often, reference=hosts is None)
    return found.document() | {"hosts": size, "crashes_per_host_hour": often}


def _said(here: Session, found: dict[str, Any]) -> int:
    here.screen.document(LINT, found)
    refused = found.get("problems") or []
    lines = [f"refused  {each['code']}: {clean(each['detail'])}" for each in refused]
    lines += [f"warning  {each['code']}: {clean(each['detail'])}" for each in found.get("warnings") or []]
    rings = found.get("rings") or []
    if rings and "hosts" in found:
        rate = found["crashes_per_host_hour"]
        lines.append(f"on {found['hosts']:,} hosts, {rate:.3g} crashes per host-hour (--hosts, --rate for others):")
    if rings:
        rows = [[name.replace("_", " ") for name in rings[0]], *(list(each.values()) for each in rings)]
        lines += fitting(rows, here.screen.width)
    here.screen.text("\n".join([*lines, "refused" if refused else "accepted"]))
    return REFUSED if refused else 0


@policy_command.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@online
@session
def add(here: Session, file: Path) -> None:
    """Store a policy file for ever, under its name and digest."""
    found = here.client.post("/policies", read(file)).document
    here.screen.document("rollout.policy-added/1", found)
    here.screen.text(f"{found.get('name')}  digest {found.get('digest')}")


@policy_command.command("list")
@online
@session
def stored(here: Session) -> None:
    """Show the stored policies."""
    found = here.client.get("/policies")
    here.screen.document("rollout.policies/1", found)
    rows = [
        ("name", "kind", "digest"),
        *((p.get("name"), p.get("kind"), short(p.get("digest"))) for p in found.get("policies", [])),
    ]
    here.screen.text("\n".join(table(rows, left=(0, 1, 2))) if len(rows) > 1 else "no policies")


@policy_command.command("show")
@click.argument("policy", metavar="NAME|FILE")
@online
@session
def show(here: Session, policy: str) -> None:
    """Show a policy in full: everything inherited filled in, as it would be judged."""
    given = named_or_read(policy)
    found = _complete(given) if isinstance(given, dict) else stored_document(here, given)
    here.screen.document("rollout.policy-shown/1", {"policy": found})
    if not here.screen.json:
        import yaml  # noqa: PLC0415 - only where a policy is written out

        here.screen.text(yaml.safe_dump(found, sort_keys=False, allow_unicode=True).rstrip())


def _complete(given: dict[str, Any]) -> dict[str, Any]:
    from policies.load import load  # noqa: PLC0415 - brings pydantic, needed only here

    return load(given).document()
