"""The picture of a simulation, as SVG: exposure, failures, E-bar, window and decision of one run, harm over runs."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from policies.document import Policy
from rollout.evidence.rows import Row
from rollout.simulation.course import Outcome
from rollout.simulation.picture.svg import Panel, Scale, document, short
from rollout.simulation.picture.trace import Trace, trace

WIDTH: Final = 960
LEFT, RIGHT = 70.0, 800.0
TALL, GAP, TOP = 110.0, 46.0, 70.0
BLUE, RED, AMBER, GREY, GREEN = "#2563eb", "#c81e1e", "#b45309", "#7b8794", "#15803d"
LEAST_BARS, MOST_BARS = 10, 40


def draw(title: str, policy: Policy, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> str:
    """Return the SVG of one run's rows and of all outcomes."""
    found = trace(rows)
    seconds = max(found.at[-1], 1.0)
    unit, size = ("hours", 3600.0) if seconds > 3 * 3600 else ("minutes", 60.0)
    at = [0.0, *(one / size for one in found.at)]
    x = Scale(0.0, seconds / size, LEFT, RIGHT)
    panels = [
        _exposure(found, at, x),
        _failures(found, at, x),
        _evidence(found, at, x, policy),
        _window(found, at, x),
    ]
    for number, panel in enumerate(panels):
        for moment, ring in found.opened:
            panel.moment(moment / size, GREY, ring if number == 0 else None)
        for moment, word in found.stops:
            halted = word == "halted"
            panel.moment(moment / size, RED if halted else AMBER, word if number == 2 else None, before=not halted)
    panels[-1].text(RIGHT, panels[-1].y.start + 32, f"{unit} since the rollout began", GREY, anchor="end")
    for value in x.marks():
        panels[-1].text(x(value), panels[-1].y.start + 16, short(value), GREY, anchor="middle")
    panels.append(_harm(outcomes, len(panels)))
    height = TOP + len(panels) * (TALL + GAP) + 20
    return document(WIDTH, int(height), title, panels)


def _place(number: int) -> tuple[float, float]:
    """Return bottom and top of a panel."""
    top = TOP + number * (TALL + GAP)
    return top + TALL, top


def _exposure(found: Trace, at: list[float], x: Scale) -> Panel:
    bottom, top = _place(0)
    panel = Panel("hosts granted", x, Scale(1.0, max(10.0, *found.granted) * 1.3, bottom, top, log=True))
    panel.frame(None)
    panel.curve(at, [1.0, *found.granted], BLUE)
    return panel


def _failures(found: Trace, at: list[float], x: Scale) -> Panel:
    bottom, top = _place(1)
    highest = max(1.0, *found.failures, *found.expected)
    panel = Panel("first failures of exposed hosts; dashed: if they failed as control does", x,
                  Scale(0.0, highest * 1.15, bottom, top))  # fmt: skip
    panel.frame(None)
    panel.curve(at, [0.0, *found.expected], GREY, dashed=True)
    panel.curve(at, [0.0, *found.failures], RED)
    return panel


def _evidence(found: Trace, at: list[float], x: Scale, policy: Policy) -> Panel:
    bottom, top = _place(2)
    high, low = max(3 * policy.judge.halt_at, *found.evidence), min(0.1, *found.evidence)
    panel = Panel("evidence of harm", x, Scale(max(low, 1e-3), high * 1.3, bottom, top, log=True))
    panel.frame(None)
    panel.level(policy.judge.halt_at, RED, f"halt {policy.judge.halt_at:g}")
    panel.level(policy.judge.pause_at, AMBER, f"pause {policy.judge.pause_at:g}")
    panel.curve(at, [1.0, *found.evidence], BLUE)
    return panel


def _window(found: Trace, at: list[float], x: Scale) -> Panel:
    bottom, top = _place(3)
    panel = Panel("window: adoptions that may be unconfirmed", x,
                  Scale(1.0, max(10.0, *found.window) * 1.3, bottom, top, log=True))  # fmt: skip
    panel.frame(None)
    panel.curve(at, [found.window[0], *found.window], GREEN)
    return panel


def _harm(outcomes: Sequence[Outcome], number: int) -> Panel:
    """Return the histogram of harm: one bar for each number of hosts, or for a range of them."""
    bottom, top = _place(number)
    top += 14  # below the scale of the panel above
    most = max(one.harmed for one in outcomes)
    step = max(1, -(-(most + 1) // MOST_BARS))
    counts = Counter(one.harmed // step for one in outcomes)
    x = Scale(0.0, float(max(LEAST_BARS, most // step + 1) * step), LEFT, RIGHT)
    panel = Panel(
        f"runs by hosts harmed ({len(outcomes)} runs)", x, Scale(0.0, max(counts.values()) * 1.1, bottom, top)
    )
    panel.frame(None)
    for place, count in counts.items():
        panel.bar(place * step, (place + 1) * step, count, RED if place else GREY)
    for value in x.marks():
        if value.is_integer() and value < x.high:
            panel.text(x(value + step / 2), bottom + 16, short(value), GREY, anchor="middle")
    return panel
