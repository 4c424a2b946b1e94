"""Try a policy on a fault before using it: many simulated rollouts under the production judge. Needs no server."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rollout.errors import SurroundingsError
from rollout.service.cli.output import clean, number, table
from rollout.service.cli.session import Session, form, session

if TYPE_CHECKING:
    from policies.document import Policy
    from rollout.simulation.course import Outcome
    from rollout.simulation.scenario import Scenario

SIMULATION = "rollout.simulation/1"
PEERS = "rollout.peers/1"
Each = TypeVar("Each")


@click.command("simulate")
@click.argument("scenario", metavar="SCENARIO.json|NAME", required=False)
@click.option("--policy", metavar="NAME|FILE", help="Instead of the scenario's: a shipped profile, or a file.")
@click.option("--runs", type=click.IntRange(1, 1_000_000), help="Instead of the scenario's.")
@click.option("--seed", type=click.IntRange(0), help="Instead of the scenario's.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; absent: one for each processor.")
@click.option("--peers", is_flag=True, help="Compare other rules for halting on the same paths.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE.svg", help="Draw the first run, and the harm.")
@click.option("--evidence", type=click.Path(path_type=Path), metavar="FILE", help="Write the first run's evidence.")
@click.option("--list", "listed", is_flag=True, help="Name the scenarios that come with the program.")
@form
@session
def simulate_command(here: Session, /, scenario: str | None, *, listed: bool, **told: Any) -> None:
    """Play a scenario many times and say what share of rollouts was halted, paused, completed or held.

    The same seed gives the same answer, however many processes play.
    """
    from rollout.simulation import scenario as files  # noqa: PLC0415 - brings pydantic and numpy, needed only here

    if listed:
        here.screen.document("rollout.scenarios/1", {"scenarios": list(files.shipped())})
        here.screen.text("\n".join(files.shipped()))
        return
    if scenario is None:
        raise click.UsageError("a scenario is needed: a file, or one of `rollout simulate --list`")
    chosen = files.find(scenario)
    policy = files.policy_of(chosen, told["policy"])
    seed = chosen.seed if told["seed"] is None else told["seed"]
    if told["peers"]:
        _compare(here, chosen, policy, seed, told["runs"] or chosen.runs, told["jobs"])
        return
    _play(here, chosen, policy, seed=seed, **{name: told[name] for name in ("runs", "jobs", "evidence", "plot")})


def _play(
    here: Session,
    scenario: "Scenario",
    policy: "Policy",
    *,
    seed: int,
    runs: int | None,
    jobs: int | None,
    evidence: Path | None,
    plot: Path | None,
) -> None:
    from rollout.simulation.answer import answer  # noqa: PLC0415 - as above
    from rollout.simulation.crowd import play_all, processors  # noqa: PLC0415 - as above

    begun = time.monotonic()
    runs = runs or scenario.runs
    played = play_all(scenario, policy, seed, runs, jobs or processors())
    outcomes = list(shown(here, played, runs))
    found = answer(outcomes, time.monotonic() - begun)
    if evidence is not None or plot is not None:
        _keep(scenario, policy, seed, outcomes, evidence=evidence, plot=plot)
    mute = [each.name for each in policy.judge.measures if each.name not in scenario.fleet.measures]
    told = {"scenario": scenario.name, "policy": policy.name, "seed": seed, "measures_not_reported": mute, **found}
    here.screen.document(SIMULATION, told)
    here.screen.text(_told(told))


def _compare(here: Session, scenario: "Scenario", policy: "Policy", seed: int, runs: int, jobs: int | None) -> None:
    """Print the table of all rules on the scenario's paths, by a fixed schedule."""
    from rollout.simulation.crowd import processors  # noqa: PLC0415 - as above
    from rollout.simulation.peers.compare import SETS, compare  # noqa: PLC0415 - as above

    begun = time.monotonic()
    rules = compare(scenario, policy, seed, runs, jobs or processors(), lambda paths: shown(here, paths, SETS * runs))
    told = {"scenario": scenario.name, "policy": policy.name, "seed": seed, "runs": runs, "rules": rules}
    here.screen.document(PEERS, {**told, "seconds": round(time.monotonic() - begun, 3)})
    rows: list[tuple[object, ...]] = [
        ("rule", "set", "threshold", "false halts", "95 % interval", "halted", "hours p50", "crashes", "harmed mean"),
        *(_rule(rule) for rule in rules),
    ]
    here.screen.text(
        "\n".join([f"{clean(scenario.name)}: {runs} paths by a fixed schedule", *table(rows, left=(0, 1))])
    )


def _rule(rule: dict[str, Any]) -> tuple[object, ...]:
    low, high = rule["false_halts_interval"]
    hours, crashes, harmed = (rule[name] or {} for name in ("hours_to_halt", "exposed_crashes", "harmed"))
    return (
        rule["rule"],
        rule["set"],
        rule["threshold"],
        f"{rule['false_halts']:.1%}",
        f"{low:.1%} to {high:.1%}",
        f"{rule['halted']:.1%}",
        hours.get("p50"),
        crashes.get("mean"),
        harmed.get("mean"),
    )


def shown(here: Session, each: Iterator[Each], runs: int) -> Iterator[Each]:
    """Show progress to a person who watches; a pipe sees nothing of it."""
    if not sys.stderr.isatty() or here.screen.plain:
        yield from each
        return
    from rich.console import Console  # noqa: PLC0415 - only for a person
    from rich.progress import track  # noqa: PLC0415 - only for a person

    yield from track(each, description="runs", total=runs, console=Console(stderr=True), transient=True)


def _keep(
    scenario: "Scenario",
    policy: "Policy",
    seed: int,
    outcomes: Sequence["Outcome"],
    *,
    evidence: Path | None,
    plot: Path | None,
) -> None:
    """Write the evidence of run 0, for `rollout judge`, and its picture."""
    from rollout.evidence.rows import dump  # noqa: PLC0415 - as above
    from rollout.simulation.course import play  # noqa: PLC0415 - as above
    from rollout.simulation.picture.draw import draw  # noqa: PLC0415 - as above

    rows = play(scenario, policy, seed, 0, keep=True).evidence or []
    if evidence is not None:
        _write(evidence, "".join(dump(row) + "\n" for row in rows))
    if plot is not None:
        _write(plot, draw(f"{scenario.name}, policy {policy.name}, run 0 of seed {seed}", policy, rows, outcomes))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SurroundingsError(f"{path} cannot be written: {error.strerror}", slug="no-file") from error


def _told(found: dict[str, Any]) -> str:
    """Tell the answer to a person."""
    runs = found["runs"]
    rows: list[tuple[object, ...]] = [("ended", "runs", "share", "95 % interval")]
    for name in ("halted", "completed"):
        low, high = found[f"{name}_interval"]
        rows.append((name, found[name], f"{found[name] / runs:.2%}", f"{low:.2%} to {high:.2%}"))
    rows += [(name, found[name], f"{found[name] / runs:.2%}", "") for name in ("paused", "held", "running")]
    low, high = found["stopped_interval"]
    rows.append(("paused or halted", found["stopped"], f"{found['stopped'] / runs:.2%}", f"{low:.2%} to {high:.2%}"))
    numbers: list[tuple[object, ...]] = [("over runs", "mean", "p50", "p95", "max")]
    shown = ("harmed", "exposed_at_halt", "crashes_before_halt", "hours_to_halt", "hours_to_grant", "hours_to_complete")
    numbers += [(name.replace("_", " "), *map(number, found[name].values())) for name in shown if found[name]]
    lines = [f"{clean(found['scenario'])}  policy {clean(found['policy'])}, seed {found['seed']}", *table(rows), ""]
    lines += table(numbers)
    for name, words in (("information_ratio", "information at halt"), ("sprt_ratio", "exposed crashes")):
        if found[name] is not None:
            least = "ln(1/alpha)" if name == "information_ratio" else "those of the test that knows the ratio"
            lines.append(f"{words}: {found[name]:.3g} x {least}")
    if found["measures_not_reported"]:
        names = ", ".join(clean(name) for name in found["measures_not_reported"])
        lines.append(f"nobody reports {names} in this scenario (fleet.measures): not judged")
    return "\n".join([*lines, f"{found['seconds']:.1f} s"])
