"""The wall clock of every process jumps by an hour, ahead or back, and is set right again.

Injected into the processes (clock_site/sitecustomize.py): libfaketime 0.9.10, with the clocks that do not jump left
alone, makes every `time.sleep` of Python fail with EINVAL. Clocks that count since boot go on, as they do when a real
clock is set; the engine's own process keeps its clock.
"""

import os
from pathlib import Path

from tests.chaos.surroundings import Stage, last, ready

NAME = "clock jump"
HOUR = 3600
SITE = Path(__file__).parent / "clock_site"


def environment(stage: Stage) -> dict[str, str]:
    """Let every Python process of the service look at `<data>/clock-jump`: seconds that its wall clock is ahead."""
    found = [str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(found), "CHAOS_CLOCK": str(stage.data / "clock-jump")}


def inject(stage: Stage) -> str:
    """Jump, stay there for some seconds, and jump back."""
    step = stage.random.choice((HOUR, -HOUR))
    seconds = stage.random.uniform(3, 8)
    _jump(stage, step)
    try:
        last(seconds)
    finally:
        _jump(stage, 0)
    stage.wait(lambda: ready(stage), 120)
    return f"the wall clock was {step:+d} s off for {seconds:.1f} s"


def _jump(stage: Stage, step: int) -> None:
    path = stage.data / "clock-jump"
    half = path.with_suffix(".half")
    half.write_text(str(step), encoding="ascii")
    half.replace(path)
