"""A whole service for one performance: `rollout up` as a child, in a folder that is removed with it.

The child is told everything by flags. Of our own environment it gets neither `ROLLOUT_*` nor `TEMPORAL_ADDRESS`:
a demonstration must never touch a real store, nor leave work on the queues of a real engine.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rollout.adapters.engine.tether import tethered
from rollout.errors import SurroundingsError

SECONDS_TO_END = 12.0  # `up` ends within 10 s
LOOPBACK = "127.0.0.1:0"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the service is: URLs, and the token of the person `admin`."""

    api: str
    gateway: str
    console: str
    admin_token: str


@asynccontextmanager
async def running(data: Path, heartbeat: float, say: Say) -> AsyncIterator[Places]:
    """Run the service on `data` while inside; SurroundingsError where it does not come up.

    What it says (the engine being built, a role that restarts) is passed on to `say`, line by line.
    """
    process = await asyncio.create_subprocess_exec(
        *_command(data, heartbeat),
        env=_environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in the terminal is for us, who end it in order
    )
    words = asyncio.create_task(_pass_on(process, say))
    try:
        yield await _ready(process)
    finally:
        await _end(process)
        with contextlib.suppress(asyncio.CancelledError):
            await words


def _command(data: Path, heartbeat: float) -> list[str]:
    beat = f"{round(heartbeat * 1000)}ms"
    flags = ["--json", "--data", str(data), "--api", LOOPBACK, "--gateway", LOOPBACK, "--heartbeat", beat]
    return tethered([sys.executable, "-P", "-m", "rollout.service.cli", "up", *flags])


def _environment() -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ROLLOUT_")}
    ours.pop("TEMPORAL_ADDRESS", None)
    return ours


async def _pass_on(process: asyncio.subprocess.Process, say: Say) -> None:
    if process.stderr is not None:
        async for line in process.stderr:
            say(line.decode("utf-8", errors="replace").rstrip())


async def _ready(process: asyncio.subprocess.Process) -> Places:
    line = b"" if process.stdout is None else await process.stdout.readline()
    if not line:
        raise SurroundingsError("the service did not start; its last words stand above", slug="demo-service")
    found = json.loads(line)
    token = await asyncio.to_thread(Path(found["admin_token_file"]).read_text, encoding="ascii")
    return Places(found["api"], found["gateway"], found["console"], token.strip())


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it and its children, by force where it takes too long: the tethers then end the children."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), SECONDS_TO_END)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
