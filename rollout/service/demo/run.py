"""`rollout demo`: start the service, let a fleet live with it, roll out a candidate, tell what became of it."""

import asyncio
import signal
import tempfile
from pathlib import Path
from typing import Any

from rollout.adapters.clock import SystemClock
from rollout.service.cli.output import Screen
from rollout.service.demo import scenarios, view
from rollout.service.demo.figures import SCHEMA
from rollout.service.demo.local import running
from rollout.service.demo.play import Performance, Play
from rollout.service.demo.scenarios import SCENARIOS
from rollout.service.demo.story import Story
from rollout.service.demo.view import View


def run_demo(*, scenario: str, hosts: int | None, seed: int, fast: bool, json_output: bool, plain: bool = False) -> int:
    """Perform a scenario to its end; 0 when it ended as it should, else 1. Leaves nothing behind.

    Raises:
        SurroundingsError: the service or the fleet could not run.
    """
    screen = Screen(json=json_output, plain=plain)
    shown = Performance(SCENARIOS[scenario], hosts or _default(fast=fast), seed, fast)
    try:
        found = asyncio.run(_perform(shown, screen))
    except asyncio.CancelledError:  # by SIGTERM
        raise KeyboardInterrupt from None
    screen.document(SCHEMA, found)
    screen.text(view.figures(found))
    return 0 if found["as_expected"] else 1


def _default(*, fast: bool) -> int:
    return scenarios.FAST_HOSTS if fast else scenarios.HOSTS


async def _perform(shown: Performance, screen: Screen) -> dict[str, Any]:
    """Set the stage, play, clear it away; the whole document."""
    _end_on_terminate()
    clock = SystemClock()
    began = clock.now()
    with View(screen) as seen, tempfile.TemporaryDirectory(prefix="rollout-demo-", ignore_cleanup_errors=True) as name:
        story = Story(began, seen.say)
        story.note(began, f"{shown.scenario.name}: {shown.scenario.words}")
        async with running(Path(name) / "data", shown.heartbeat, seen.say) as places:
            story.note(clock.now(), f"the service is ready: {places.console}")
            play = Play(shown, places, story, seen, Path(name))
            ending, page = await play.run()
    total = clock.now() - began
    figures = ending.document(shown.hosts, shown.seed, total)
    return figures | {"temporal_ui": page, "story": story.document()}


def _end_on_terminate() -> None:
    """Let SIGTERM do what Ctrl-C does, so that nothing is left behind."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
