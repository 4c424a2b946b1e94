"""What a person sees: in a terminal a live picture under the growing story, elsewhere the story line by line.

The picture is the one of `rollout watch`, and under it what only the simulation knows. The story goes to stderr
unless a picture is drawn; figures go to stdout at the end.
"""

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from rollout.service.cli import view
from rollout.service.cli.output import Screen, clean, number, table
from rollout.simulation.swarm.truth import Truth

SECONDS_BETWEEN_WORDS = 5.0  # of progress, where nothing is redrawn


class View:
    """Where words and pictures go; a context, so that a terminal is left as it was."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._live = Live(console=Console(highlight=False), auto_refresh=False) if screen.live else None
        self._held = ExitStack()
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._held.enter_context(self._live)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def say(self, sentence: str) -> None:
        """Tell one line."""
        if self._live is not None:
            self._live.console.print(Text(clean(sentence)))
        else:
            print(clean(sentence), file=sys.stderr, flush=True)  # noqa: T201 - words go to stderr

    def show(self, found: Mapping[str, Any] | None, truth: Truth) -> None:
        """Draw how it stands; `found` is the rollout's document once there is one."""
        if self._live is not None:
            picture = [view.rollout(found, self._screen), ""] if found else []
            self._live.update(Text.from_ansi("\n".join([*picture, *_fleet(truth)])), refresh=True)
        elif time.monotonic() - self._said >= SECONDS_BETWEEN_WORDS:
            self._said = time.monotonic()
            self.say(f"          … {_progress(found, truth)}")


def figures(found: Mapping[str, Any]) -> str:
    """Return the figures of `rollout.demo/1` as a table for people."""
    seconds = found["seconds"]
    rows = [
        ("ended as it should", "yes" if found["as_expected"] else "NO"),
        ("state, verdict", f"{found['state']}, {found['verdict']}"),
        ("hosts", found["hosts"]),
        ("exposed", found["exposed"]),
        ("harmed", found["harmed"]),
        ("held out as control", found["held_out"]),
        *((f"back on release {counter}", count) for counter, count in found["baselines"].items()),
        ("first failure to stop, s", seconds["failure_to_stop"]),
        ("first failure to last go, s", seconds["failure_to_last_go"]),
        ("first failure to last host back, s", seconds["failure_to_last_back"]),
        ("in all, s", seconds["total"]),
    ]
    return "\n".join(table(rows, left=(0,)))


def _progress(found: Mapping[str, Any] | None, truth: Truth) -> str:
    return view.summary(found) if found else f"{number(truth.enrolled)} of {number(truth.hosts)} hosts enrolled"


def _fleet(truth: Truth) -> list[str]:
    """Lay out what the simulation knows: the truth beside what the service believes."""
    running = ", ".join(f"release {counter}: {number(count)}" for counter, count in sorted(truth.running.items()))
    facts = (("asked", truth.asked), ("went", truth.went), ("touched", truth.touched), ("harmed", truth.harmed),
             ("dead", truth.dead), ("back", truth.back))  # fmt: skip
    told = "  ".join(f"{name} {number(count)}" for name, count in facts)
    return [f"the fleet   {number(truth.enrolled)} of {number(truth.hosts)} hosts  {told}", f"running     {running}"]
