"""The state tables as a page: `python tests/core/draw_states.py` writes docs/states.md anew between its markers."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from rollout.decision import (  # noqa: E402 - run as a script
    ALL_RINGS,
    BEGINS,
    DONE,
    ENDED,
    FORWARD,
    MOVES,
    ONE_RING,
    OPEN,
    RING_BEGINS,
    RING_MOVES,
    RingState,
    RingStep,
    State,
    Step,
)

PAGE = ROOT / "docs" / "states.md"
BEGIN, END = "<!-- drawn by tests/core/draw_states.py: begin -->", "<!-- drawn: end -->"

Moves = Mapping[tuple[str, str], str]


def drawn() -> str:
    """What stands between the markers."""
    parts = [
        "## A rollout",
        diagram(MOVES, BEGINS, ends=(State.ROLLED_BACK,)),
        (
            f"Open, one a product: {words(OPEN)}. Going forward: {words(FORWARD)}. Over at once: {words(ENDED)}; "
            f"`{State.COMPLETED}` is over when its watch ends."
        ),
        table(MOVES, list(State), list(Step), DONE),
        "## A ring",
        diagram(RING_MOVES, RING_BEGINS, ends=(RingState.PROMOTED, RingState.HALTED)),
        table(RING_MOVES, list(RingState), list(RingStep), ()),
        "## What a rollout's step does to rings, in the same transaction",
        "| step of the rollout | rings | step of the ring |\n|---|---|---|\n"
        + "\n".join(
            [f"| {step} | every one | {ring} |" for step, ring in ALL_RINGS.items()]
            + [f"| {step} | the one it is about | {ring} |" for step, ring in ONE_RING.items()]
        ),
    ]
    return "\n\n".join(parts)


def diagram(moves: Moves, begins: str, ends: Sequence[str]) -> str:
    """A Mermaid diagram: one arrow for each pair of states, with the steps that take it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, step), to in moves.items():
        arrows.setdefault((state, to), []).append(step)
    lines = [f"    {name(state)} --> {name(to)}: {', '.join(steps)}" for (state, to), steps in arrows.items()]
    names = dict.fromkeys(state for pair in arrows for state in pair)
    spelt = [f'    state "{state}" as {name(state)}' for state in names if name(state) != state]
    ended = [f"    {name(state)} --> [*]" for state in ends]
    return "\n".join(["```mermaid", "stateDiagram-v2", *spelt, f"    [*] --> {name(begins)}", *lines, *ended, "```"])


def name(state: str) -> str:
    """Mermaid's identifiers have no dashes."""
    return state.replace("-", "_")


def table(moves: Moves, states: Sequence[str], steps: Sequence[str], done: Iterable[tuple[str, str]]) -> str:
    """State by step: where it leads, `=` where it is so already, nothing where it is refused."""
    said = dict.fromkeys(done, "=") | {key: str(to) for key, to in moves.items()}
    rows = ["| | " + " | ".join(steps) + " |", "|---" * (len(steps) + 1) + "|"]
    rows += [f"| **{state}** | " + " | ".join(said.get((state, step), "") for step in steps) + " |" for state in states]
    return "\n".join(rows)


def words(states: Iterable[str]) -> str:
    return ", ".join(f"`{state}`" for state in states)


def page(text: str) -> str:
    """The page with what is drawn put between its markers."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{drawn()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    print(f"{PAGE.relative_to(ROOT)} is what rollout/decision.py says")
