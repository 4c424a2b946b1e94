"""A publisher stopped between signing and copying: the bytes in its hand, the folder's lock held, nothing written yet.

It is caught without a hook in the program: a copy begins by comparing `1.root.json` with what is stored, so that a
named pipe in the place of that file holds it there; it is fed the file's own bytes later. Meanwhile the file is back in
its place and another worker judges. Then the stopped one is continued, or killed. While it stands still others wait
for the folder's lock; a build without that lock publishes, and is undone by the one that goes on.
"""

import contextlib
import errno
import os
import signal
import time
from pathlib import Path

from tests.chaos.owners import owners, stopped_without, turns, wait_for_others
from tests.chaos.stage import Stage

NAME = "stop publisher while copying"
SECONDS_TO_COPY = 150.0  # a timestamp is renewed each 60 s where no open rollout asks for more
SECONDS_LATER = 8.0  # more than others wait before they take a lease over


def inject(stage: Stage) -> str:
    folder = stage.random.choice(sorted((stage.data / "metadata" / "director").iterdir()))
    ended = stage.random.choice((signal.SIGCONT, signal.SIGCONT, signal.SIGKILL))
    with stage.unsupervised():
        before, worker = owners(stage), stage.pid("worker")
        pipe, content = trap(stage, folder / "1.root.json", worker)
        with stage.another_worker():
            seconds = wait_for_others(stage, before)
            time.sleep(SECONDS_LATER)
            os.kill(worker, ended)
            with contextlib.suppress(BrokenPipeError):  # it is dead
                os.write(pipe, content)
            os.close(pipe)
            time.sleep(SECONDS_LATER / 2)
    return f"stopped the publisher of {folder.name} before it copied, for {seconds + SECONDS_LATER:.1f} s; {ended.name}"


def trap(stage: Stage, file: Path, worker: int) -> tuple[int, bytes]:
    """Stop the worker while it reads `file` to compare it: the end of the pipe that holds it, and the file's bytes."""
    content = file.read_bytes()
    pipe, kept = file.with_name(".trap"), file.with_name(".kept")
    os.mkfifo(pipe)
    kept.write_bytes(content)
    pipe.replace(file)
    try:
        held = stage.wait(lambda: _caught(file), SECONDS_TO_COPY, "a publisher that copies")
        stage.wait(
            lambda: stopped_without(stage, worker, *turns(stage)), SECONDS_TO_COPY, "a worker that does not write"
        )
    finally:
        kept.replace(file)
    return held, content


def _caught(file: Path) -> int | None:
    """Open the pipe's end for writing, once somebody reads it."""
    try:
        return os.open(file, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:  # nobody reads yet
            raise
    return None
