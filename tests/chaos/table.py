"""The table of what was injected and what was seen, from the records of rounds."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

HEAD = "| fault | where | injected | violations | time lost, s: p50 | max |\n|---|---|---:|---:|---:|---:|"


def table(rounds: Sequence[Mapping[str, Any]]) -> str:
    """Return the table as Markdown; `rounds` are documents of outcomes."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for each in rounds:
        for one in each["injected"]:
            found.setdefault((one["fault"], one["where"]), []).append(one)
    lines = [HEAD, *(_row(*key, ones) for key, ones in sorted(found.items()))]
    everything = [one for ones in found.values() for one in ones]
    ending = sum(len(each["ending"]) for each in rounds)
    lines.append(_row("**in all**", f"{len(rounds)} rounds", everything, ending))
    return "\n".join(lines)


def _row(fault: str, where: str, ones: Sequence[Mapping[str, Any]], ending: int = 0) -> str:
    lost = [one["lost"] for one in ones]
    seen = ending + sum(len(one["violations"]) for one in ones)
    times = (f"{median(lost):.1f}", f"{max(lost):.1f}") if lost else ("-", "-")
    return _cells((fault, where, len(ones), seen, *times))


def _cells(values: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, values))} |"
