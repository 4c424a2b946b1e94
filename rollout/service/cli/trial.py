"""`rollout policy try`: what a policy would do on this fleet, before anybody is exposed to anything under it."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rollout.errors import NotFoundError, UnreachableError
from rollout.service.cli.output import clean, number, table
from rollout.service.cli.session import Session, online, session
from rollout.service.cli.share import Share
from rollout.service.cli.simulate import shown
from rollout.service.cli.start import is_file, read, stored_document

if TYPE_CHECKING:
    from policies.document import Policy
    from rollout.simulation.trial import Ground

TRIAL: Final = "rollout.trial/1"
NAMES: Final = {"good": "good", "lethal": "lethal", "lethal_to_few": "lethal to 1 %"}
HOSTS_NEEDED: Final = "give the fleet's size with --hosts N, and --rate R where you know its crashes per host-hour"


@click.command("try")
@click.argument("policy", metavar="NAME|FILE")
@click.option("--hosts", type=click.IntRange(1, 100_000_000), help="Instead of the service's own fleet.")
@click.option("--rate", type=Share(), metavar="R", help="Crashes per host-hour, instead of what was measured.")
@click.option(
    "--restarts",
    type=Share(most=1000),
    metavar="N",
    help="Of each host and day, instead of what was measured.",
)
@click.option("--runs", type=click.IntRange(1, 1_000_000), help="Of each release; absent: 200, on large fleets 20.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True)
@click.option("--jobs", type=click.IntRange(1), help="Processes; absent: one for each processor.")
@online
@session
def try_command(
    here: Session,
    policy: str,
    hosts: int | None,
    rate: float | None,
    restarts: float | None,
    runs: int | None,
    seed: int,
    jobs: int | None,
) -> None:
    """Play a policy with a good release, a lethal one, and one lethal to one host in a hundred.

    Says what each ring could see, how long a good release takes, whom a bad one harms, and how often a good one is
    stopped. The fleet and its rates are those that the service measured; without one, give --hosts.
    """
    from rollout.simulation import trial  # noqa: PLC0415 - brings pydantic and numpy, needed only here
    from rollout.simulation.crowd import processors  # noqa: PLC0415 - as above

    begun = time.monotonic()
    fleet = None if hosts is not None and rate is not None else _asked(here, needed=hosts is None)
    chosen, origin = _policy(here, policy, asked=fleet is not None)
    ground, facts = _ground(fleet, hosts, rate, restarts)
    runs = runs or trial.enough(ground)
    games = trial.played(chosen, ground, seed, runs, jobs or processors())
    found = trial.told(chosen, ground, list(shown(here, games, runs * len(trial.RELEASES))))
    about = {"policy": chosen.name, "policy_from": origin, "seed": seed, "fleet": facts}
    document = {**about, **found, "seconds": round(time.monotonic() - begun, 3)}
    here.screen.document(TRIAL, document)
    here.screen.text("\n".join(_lines(document)))


def _asked(here: Session, *, needed: bool) -> dict[str, Any] | None:
    """Return what the service knows of its fleet; None where no service answers and the size was given."""
    try:
        return here.client.get("/fleet")
    except UnreachableError as error:
        if needed:
            raise click.UsageError(f"{HOSTS_NEEDED}: {error}") from error
        return None


def _policy(here: Session, name: str, *, asked: bool) -> tuple["Policy", str]:
    """Return the policy and where it comes from: a file, the service if it was asked, else those that are shipped."""
    from policies.lint import accepted  # noqa: PLC0415 - as above
    from policies.load import load  # noqa: PLC0415 - as above
    from policies.profiles import names, profile  # noqa: PLC0415 - as above

    if is_file(name):
        return accepted(load(read(Path(name)))), "file"
    if not asked and name in names():
        return profile(name), "shipped"
    try:
        return accepted(load(stored_document(here, name))), "service"
    except (NotFoundError, UnreachableError):
        if name not in names():
            raise
        return profile(name), "shipped"


def _ground(
    fleet: dict[str, Any] | None, hosts: int | None, rate: float | None, restarts: float | None
) -> tuple["Ground", dict[str, Any]]:
    """Return the fleet to try on, and of each number where it comes from."""
    from rollout.operation.base_rate import REFERENCE_RATE  # noqa: PLC0415 - as above
    from rollout.simulation.trial import Ground  # noqa: PLC0415 - as above

    strata = {"all": 1.0}
    if hosts is None:
        counted = (fleet or {})["strata"]
        hosts, origin = sum(counted.values()), "service"
        if not hosts:
            raise click.UsageError(f"the service knows no host that speaks; {HOSTS_NEEDED}")
        strata = {name: count / hosts for name, count in counted.items()}
    else:
        origin = "given"
    days = None if fleet is None else fleet["days"]
    crashes = _rate(None if fleet is None else fleet["crashes"], REFERENCE_RATE, rate)
    silences = _rate(None if fleet is None else fleet["silences"], 0.0, None)
    often = _restarts(None if fleet is None else fleet.get("restarts"), restarts)
    facts = {
        "hosts": hosts,
        "from": origin,
        "strata": strata,
        "days": days,
        "crashes": crashes,
        "silences": silences,
        "restarts": often,
    }
    return Ground(hosts, crashes["per_host_hour"], silences["per_host_hour"], often["per_day"], strata), facts


def _restarts(measured: dict[str, Any] | None, given: float | None) -> dict[str, Any]:
    """Return them per host and day, and where that comes from; a service of before they were reckoned tells none."""
    from rollout.operation.base_rate import REFERENCE_RESTARTS  # noqa: PLC0415 - as above

    if given is not None:
        return {"per_day": given, "from": "given"}
    if measured is None or measured["assumed"]:
        return {"per_day": REFERENCE_RESTARTS, "from": "reference"}
    return measured | {"from": "measured"}


def _rate(measured: dict[str, Any] | None, reference: float, given: float | None) -> dict[str, Any]:
    if given is not None:
        return {"per_host_hour": given, "from": "given"}
    if measured is None:
        return {"per_host_hour": reference, "from": "reference"}
    return measured | {"from": "assumed" if measured["assumed"] else "measured"}


def _lines(found: dict[str, Any]) -> list[str]:
    """Return the answer as a person reads it: what happens, then which ring does what, then on what this rests."""
    of, origin, runs = clean(found["policy"]), found["policy_from"], found["runs"]
    return [
        f"policy {of} ({origin}); {runs:,} rollouts of each release, seed {found['seed']}",
        "",
        *table(_releases(found["releases"])),
        "",
        *table([_share(words, found[name]) for name, words in _STOPS.items()]),
        "",
        *table(_rings(found["rings"]), left=(0, 7)),
        *(f"warning  {clean(each['detail'])}" for each in found["warnings"]),
        "",
        *_grounds(found["fleet"]),
        *_LEGEND,
        f"{found['seconds']:.1f} s",
    ]


_STOPS: Final = {
    "false_halts": "halted though good",
    "false_pauses": "paused though good",
    "held": "held for a person though good",
}
_LEGEND: Final = (
    "sees     smallest hazard ratio of which half of the rollouts or more are halted:",
    "         within the minimum bake; in time: within h p50, else the maximum bake",
    "h        hours to completion; of a ring, from its turn to its promotion",
)


def _grounds(fleet: dict[str, Any]) -> list[str]:
    """Say of each number where it comes from."""
    whose = "given with --hosts" if fleet["from"] == "given" else "of the service, without those that are dark"
    strata = f" in {len(fleet['strata'])} strata" if len(fleet["strata"]) > 1 else ""
    return [
        f"hosts    {fleet['hosts']:,}{strata}: {whose}",
        f"crashes  {_origin(fleet['crashes'], fleet['days'], 'as in the reference fleet')}",
        f"silence  {_origin(fleet['silences'], fleet['days'], 'taken for none')}",
        f"restarts {_often(fleet['restarts'])}",
    ]


def _often(restarts: dict[str, Any]) -> str:
    """Say how often hosts restart, and where that comes from."""
    told = f"{restarts['per_day']:.3g} per host and day"
    if restarts["from"] == "given":
        return f"{told}: given with --restarts"
    if restarts["from"] == "reference":
        return f"{told}: as in the reference fleet"
    return f"{told}: {restarts['up_for_a_day']:,} of {restarts['hosts']:,} awake hosts are up for a day or more"


def _origin(rate: dict[str, Any], days: float | None, reference: str) -> str:
    """Say a rate per host-hour and where it comes from."""
    told = f"{rate['per_host_hour']:.3g} per host-hour"
    if rate["from"] == "given":
        return f"{told}: given with --rate"
    if rate["from"] == "reference":
        return f"{told}: {reference} (no service asked)"
    seen = f"{rate['failures'] or 'none'} in {rate['host_hours']:,.0f} host-hours of {number(days)} days"
    if rate["from"] == "measured":
        return f"{told} ({rate['low']:.3g} to {rate['high']:.3g}): {seen}"
    return f"{told}: assumed, {seen}" + ("" if rate["high"] is None else f" (below {rate['high']:.3g})")


def _releases(releases: dict[str, Any]) -> list[tuple[object, ...]]:
    heading = ("release", "harmed mean", "p95", "max", "stopped", "completed", "h p50", "h p95")
    rows: list[tuple[object, ...]] = [heading]
    for name, own in releases.items():
        harmed, hours = own["harmed"], own["hours_to_complete"] or {}
        runs = sum(own[state] for state in ("halted", "paused", "completed", "held", "running"))
        shares = (f"{own['stopped'] / runs:.1%}", f"{own['completed'] / runs:.1%}")
        harm = (f"{harmed['mean']:.1f}", *(f"{harmed[each]:,.0f}" for each in ("p95", "max")))
        rows.append((NAMES[name], *harm, *shares, _hours(hours.get("p50")), _hours(hours.get("p95"))))
    return rows


def _share(words: str, share: dict[str, float]) -> tuple[object, ...]:
    return words, f"{share['share']:.1%}", f"{share['low']:.1%} to {share['high']:.1%} (95 %)"


def _rings(rings: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [("ring", "hosts", "sees min", "in time", "h p50", "h p95", "held", "last gate")]
    for each in rings:
        hours = each["hours"] or {}
        held = f"{each['held_share']['share']:.0%}" if each["reached"] else "-"
        seen = (_ratio(each["smallest_fault"]), _ratio(each["smallest_fault_in_time"]))
        times = (_hours(hours.get("p50")), _hours(hours.get("p95")))
        rows.append((each["ring"], each["hosts"], *seen, *times, held, each["waits_for"] or "not reached"))
    return rows


def _ratio(ratio: float | None) -> str:
    return "nothing" if ratio is None else f"{ratio:.3g} x"


def _hours(hours: float | None) -> str:
    return "-" if hours is None else f"{hours:.1f}" if hours < 100 else f"{hours:,.0f}"
