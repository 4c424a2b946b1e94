"""The story: what happened, in its order, from the service's audit and from what only the simulation knows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rollout.service.demo.operator import Happening
from rollout.simulation.swarm.truth import Truth

_SAID: Mapping[str, str] = {
    "ring.opened": "ring {ring} opens",
    "ring.promoted": "ring {ring} is promoted",
    "judge.verdict": "verdict {verdict}: {sentence}",
    "judge.pause": "paused by the judge: {sentence}",
    "judge.hold": "held: {sentence}",
    "judge.halt": "HALTED by the judge: {sentence}",
    "judge.trip": "STOPPED by the judge, rolling back: {sentence}",
    "rollout.completed": "completed: every ring is promoted; judged on",
    "rollout.rolled-back": "rolled back: {back} hosts are back, {dark} are dark and listed for hands-on work",
}
"""Rows of the audit that belong to the story, and how they are told."""

_SEEN: Mapping[str, str] = {
    "first_go": "the first host may adopt",
    "blinded": "the collector begins to lose beats of control hosts",
    "first_failure": "the update strikes its first host",
    "last_go": "the last host that was let in",
    "last_failure": "the last host that was struck",
    "last_back": "the last host is back on the release it came from",
}
_ONCE = ("first_go", "blinded", "first_failure")
"""Moments that never move; the others are told at the end."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened; `at` in Unix seconds."""

    at: float
    what: str


class Story:
    """Collects lines and tells each as soon as it is known."""

    def __init__(self, began: float, tell: Callable[[str], None]) -> None:
        self._began = began
        self._tell = tell
        self._lines: list[Line] = []
        self._told: set[str] = set()
        self._heard = -1

    def note(self, at: float, what: str) -> None:
        """Add a line."""
        self._lines.append(Line(at, what))
        self._tell(f"{at - self._began:6.1f} s  {what}")

    def hear(self, happenings: Iterable[Happening]) -> None:
        """Add what the audit says and was not heard yet."""
        for row in happenings:
            if row.seq > self._heard:
                self._heard = row.seq
                if row.kind in _SAID:
                    self.note(row.at, _SAID[row.kind].format_map(_Facts(row.detail)))

    def see(self, truth: Truth, *, ended: bool = False) -> None:
        """Add the moments of the simulation; those that may still move only when it has ended."""
        for name, words in _SEEN.items():
            moment = getattr(truth, name)
            if moment is not None and name not in self._told and (ended or name in _ONCE):
                self._told.add(name)
                self.note(moment, words)

    def document(self) -> list[dict[str, Any]]:
        """Return every line in order, `at` in seconds since the demonstration began."""
        lines = sorted(self._lines, key=lambda line: line.at)
        return [{"at": round(line.at - self._began, 3), "what": line.what} for line in lines]


class _Facts(dict[str, Any]):
    """Facts of a row; one that is not there is shown as unknown, never an error."""

    def __missing__(self, name: str) -> str:
        return "?"
