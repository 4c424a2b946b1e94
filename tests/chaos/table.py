"""The table of what was injected and what was seen, from the records of rounds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

HEAD = (
    "| fault | where, how often | injected | violations | time lost, s: p50 | max |\n"
    "|---|---|---:|---:|---:|---:|"
)  # fmt: skip


def table(rounds: Sequence[Mapping[str, Any]]) -> str:
    """Return the table as Markdown; `rounds` are documents of outcomes."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for each in rounds:
        for one in each["injected"]:
            found.setdefault(one["fault"], []).append(one)
    lines = [HEAD, *(_row(fault, _places(ones), ones) for fault, ones in sorted(found.items()))]
    everything = [one for ones in found.values() for one in ones]
    ending = sum(len(each["ending"]) for each in rounds)
    lines.append(_row("**in all**", f"{len(rounds)} rollouts, and at their ends", everything, ending))
    return "\n".join(lines)


def _places(ones: Sequence[Mapping[str, Any]]) -> str:
    counted = Counter(one["where"] for one in ones)
    return ", ".join(f"{where} {count}" for where, count in sorted(counted.items()))


def _row(fault: str, where: str, ones: Sequence[Mapping[str, Any]], ending: int = 0) -> str:
    lost = [one["lost"] for one in ones]
    seen = ending + sum(len(one["violations"]) for one in ones)
    times = (f"{median(lost):.1f}", f"{max(lost):.1f}") if lost else ("-", "-")
    return f"| {' | '.join(map(str, (fault, where, len(ones), seen, *times)))} |"
