"""Every target of decision quality, measured: python -m benchmarks.decision_quality [--runs N] [--only WORD].

Plays the shipped scenarios (`rollout simulate --list`) and writes the table of docs/decision-quality.md. `--keep FILE`
remembers answers as JSON lines, so that a long measuring can be taken up again; a scenario is played anew where the
kept answer has fewer runs than asked for. `--table` only writes the table of what is kept.
"""

import argparse
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from rollout.simulation.answer import answer, wilson
from rollout.simulation.crowd import play_all, processors
from rollout.simulation.scenario import find, policy_of

DOCUMENT = Path(__file__).parent.parent / "docs" / "decision-quality.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
Answer = dict[str, Any]


class Met(NamedTuple):
    measured: str
    met: bool


class Target(NamedTuple):
    scenario: str
    words: str
    check: Callable[[Answer], Met]


def percent(hits: int, runs: int) -> str:
    low, high = wilson(hits, runs)
    return f"{hits / runs:.1%} ({low:.1%} to {high:.1%})"


def share(found: Answer, name: str) -> float:
    return float(found[name] / found["runs"])


def null(found: Answer) -> Met:
    measured = f"halted {percent(found['halted'], found['runs'])}, stopped {percent(found['stopped'], found['runs'])}"
    return Met(measured, found["halted_interval"][0] <= 0.01 and share(found, "stopped") <= 0.05)


def caught(found: Answer) -> Met:
    measured = (
        f"halted {percent(found['halted'], found['runs'])}, completed {found['completed']}, "
        f"paused {found['paused']}, held {found['held']}; R {found['information_ratio'] or 0:.2f}"
    )
    return Met(measured, share(found, "halted") >= 0.95 and share(found, "completed") <= 0.01)


def uncompleted(found: Answer) -> Met:
    measured = f"halted {percent(found['halted'], found['runs'])}, paused {found['paused']}, held {found['held']}"
    return Met(measured, found["completed"] == 0)


def fixed(most: float, sprt: float | None) -> Callable[[Answer], Met]:
    def check(found: Answer) -> Met:
        ratio, crashes = found["information_ratio"] or 0.0, found["sprt_ratio"] or 0.0
        measured = f"halted {percent(found['halted'], found['runs'])}; R {ratio:.2f}, crashes {crashes:.2f} x SPRT"
        met = found["halted"] == found["runs"] and ratio <= most and (sprt is None or crashes <= sprt)
        return Met(measured, met)

    return check


def harmed(mean: float, p95: float | None = None, most: float | None = None) -> Callable[[Answer], Met]:
    def check(found: Answer) -> Met:
        hurt = found["harmed"]
        measured = f"harmed mean {hurt['mean']:.2f}, p95 {hurt['p95']:.0f}, max {hurt['max']:.0f}"
        met = hurt["mean"] <= mean and (p95 is None or hurt["p95"] <= p95) and (most is None or hurt["max"] <= most)
        return Met(measured, met)

    return check


def onset(found: Answer) -> Met:
    return Met(f"halted {percent(found['halted'], found['runs'])}", share(found, "halted") >= 0.99)


def good(found: Answer) -> Met:
    hours = found["hours_to_complete"] or {"mean": float("inf")}
    allowed = 0.4 * 5 * 24
    measured = f"completed {percent(found['completed'], found['runs'])} in {hours['mean']:.1f} h on average"
    return Met(f"{measured} ({allowed:.0f} h allowed)", share(found, "completed") >= 0.96 and hours["mean"] <= allowed)


def content(found: Answer) -> Met:
    hours = found["hours_to_grant"] or dict.fromkeys(("mean", "p95", "max"), float("inf"))
    mean, p95, most = (f"{hours[name] * 60:.1f} min" for name in ("mean", "p95", "max"))
    second = 1 / 3600  # the simulation's clock ticks a millisecond after what is due
    return Met(f"all granted after {mean} on average, {p95} (p95), {most} at most", hours["p95"] <= 0.5 + second)


def margin(ring: str) -> Callable[[Answer], Met]:
    def check(found: Answer) -> Met:
        promoted = found["promoted"].get(ring, 0)
        measured = f"{ring} promoted {percent(promoted, found['runs'])}"
        return Met(f"{measured}; halted {found['halted']}, paused {found['paused']}", promoted / found["runs"] <= 0.05)

    return check


def july(found: Answer) -> Met:
    hurt = found["harmed"]
    measured = f"harmed {hurt['mean']:.2f}, max {hurt['max']:.0f}; {found['seconds'] / found['runs']:.2f} s a run"
    return Met(measured, hurt["mean"] == hurt["max"] == 5)


NULLS = {
    "null": "flat",
    "null-low": "flat, 5.1e-5 per host-hour",
    "null-low-wider": "flat, 5.1e-5, margins of the first rings 20 and 10",
    "null-diurnal": "diurnal ±50 %",
    "null-surge": "x2.5 for 24 h in both arms",
    "null-drift": "drift 20 % a day",
    "null-clustered": "clustering k = 0.093 with recurrence",
    "null-reboot": "reboot x5 for 30 min on every adoption",
    "null-silence": "unannounced silence .005/h",
    "null-lids": "laptops that close lids",
    "null-outage": "gateway outage 20 min",
    "null-delay": "report delay with a 24 h tail",
    "measure-null": "a measure, and nothing added to it",
    "measure-margin": "a measure, and its margin added",
    "null-monthly-restarts": "hosts restart every 30 days",
    "null-no-restarts": "hosts never restart but to adopt",
    "fixed-null": "flat, fixed schedule",
}
RATIOS = (2, 3, 5, 10, 50)
SHARES = {"30": (3.5, 6), "10": (3, 7), "2": (4, 8), "half": (5, 15)}
TARGETS = [
    *(Target(name, f"null, {words}: halt <= 1 % (lower end), stop <= 5 %", null) for name, words in NULLS.items()),
    *(Target(f"ratio-{r}{low}", f"ratio {r}{low}: halted >= 95 %, completed <= 1 %", caught)
      for low in ("", "-low", "-low-wider") for r in RATIOS),
    *(Target(f"measure-{added}", f"CPU: a {added} of the range added, margin 2 %: none completed", uncompleted)
      for added in ("twentieth", "tenth")),
    Target("ratio-3-monthly-restarts", "ratio 3, monthly restarts: halted >= 95 %, completed <= 1 %", caught),
    *(Target(f"fixed-ratio-{r}", f"ratio {r}, fixed schedule: all halted, R <= 1.8", fixed(1.8, None)) for r in RATIOS),
    *(Target(f"fixed-ratio-{r}-plain", f"ratio {r}, fixed schedule, plain: the same", fixed(1.8, None))
      for r in RATIOS),
    *(Target(f"fixed-ratio-{r}-crash-guard", f"ratio {r}, crash guard alone: R <= 1.55, 1.4 x SPRT", fixed(1.55, 1.4))
      for r in RATIOS),
    *(Target(f"fixed-ratio-{r}-crash-guard-plain", f"ratio {r}, crash guard alone, plain: the same",
             fixed(1.55, 1.4)) for r in RATIOS),
    *(Target(f"lethal-{hosts}{how}", f"lethal, {hosts} hosts{how}: 5 harmed in every run", harmed(5, 5, 5))
      for hosts in (30, 1000, 100000, 8500000) for how in ("", "-silent")),
    *(Target(f"lethal-share-{s}{uptime}{how}", f"lethal {s}{uptime}{how}: mean <= {m}, p95 <= {p}", harmed(m, p))
      for s, (m, p) in SHARES.items() for uptime in ("", "-15m") for how in ("", "-silent")),
    *(Target(f"lethal-share-{s}-in-silence", f"lethal {s} in silence .01/h: mean <= {m}", harmed(m))
      for s, m in (("10", 5), ("2", 10), ("half", 25))),
    Target("lethal-share-10-no-restarts", "lethal 10, driver, no restarts: mean <= 3, p95 <= 7", harmed(3, 7)),
    Target("model-lethal", "lethal to a model in the canary: harmed <= 5, p95 5", harmed(5, 5)),
    Target("model-lethal-absent", "lethal to a model absent from the canary: harmed <= 5, p95 5", harmed(5, 5)),
    Target("onset-48h", "onset at 48 h, ratio 10: halted >= 99 %", onset),
    Target("null", "good driver: >= 96 % complete unattended, in <= 40 % of fixed 24 h bakes", good),
    Target("good-content", "content: 1 000 000 hosts granted within 30 min", content),
    *(Target(f"margin-{ring}", f"promotion of {ring} at its margin {m}: <= 5 %", margin(ring))
      for ring, m in (("canary", 10), ("early", 5), ("broad", 3), ("wide", 1.7))),
    Target("margin-early-monthly-restarts", "early at its margin 5, monthly restarts: <= 5 %", margin("early")),
    Target("july-2024", "July 2024: harmed 5 on any seed, a run in <= 60 s", july),
    Target("july-2024-one-ring", "July 2024 without rings: harmed 5 on any seed", july),
]  # fmt: skip


def play(name: str, runs: int, jobs: int) -> Answer:
    scenario = find(name)
    begun = time.monotonic()
    outcomes = list(play_all(scenario, policy_of(scenario), scenario.seed, runs, jobs))
    found = answer(outcomes, time.monotonic() - begun)
    return {"scenario": name, "seed": scenario.seed, "date": f"{datetime.now(UTC):%Y-%m-%d}", **found}


def kept(path: Path | None) -> dict[str, Answer]:
    if path is None or not path.exists():
        return {}
    return {one["scenario"]: one for one in map(json.loads, path.read_text(encoding="utf-8").splitlines())}


def row(target: Target, found: Answer) -> str:
    met = target.check(found)
    said = "yes" if met.met else "**no**"
    command = f"`rollout simulate {target.scenario} --runs {found['runs']}`"
    return f"| {target.words} | {met.measured} | {said} | {command} | {found['date']} |"


def write(answers: dict[str, Answer]) -> None:
    lines = ["| target | measured (95 % interval) | met | command | date |", "|---|---|---|---|---|"]
    lines += [row(target, answers[target.scenario]) for target in TARGETS if target.scenario in answers]
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text("\n".join([before + BEGIN, *lines, END]) + after, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=processors())
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--table", action="store_true")
    told = parser.parse_args()
    answers = kept(told.keep)
    for name in dict.fromkeys(target.scenario for target in TARGETS if told.only in target.scenario):
        if told.table or answers.get(name, {"runs": 0})["runs"] >= told.runs:
            continue
        answers[name] = play(name, told.runs, told.jobs)
        if told.keep is not None:
            with told.keep.open("a", encoding="utf-8") as file:
                file.write(json.dumps(answers[name]) + "\n")
        print(*(row(target, answers[name]) for target in TARGETS if target.scenario == name), sep="\n", flush=True)
    write(answers)


if __name__ == "__main__":
    main()
