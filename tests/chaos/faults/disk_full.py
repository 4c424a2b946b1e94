"""The disk fills up to the last byte, and has room again."""

import os
import shutil
import subprocess
import sys
import unittest
from contextlib import suppress

from tests.chaos.surroundings import Stage, last, ready

NAME = "disk full"
SIZE = "128m"


def environment(stage: Stage) -> dict[str, str]:
    """Lay the data folder on a small disk; skipped by name where nothing can be mounted."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("mount"):
        raise unittest.SkipTest(f"{NAME}: mounting a small disk needs Linux and root")
    stage.data.mkdir(parents=True, exist_ok=True)
    line = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(stage.data)]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise unittest.SkipTest(f"{NAME}: a small disk cannot be mounted here: {done.stderr.strip()}")
    return {}


def clear(stage: Stage) -> None:
    """Take the small disk away, with all that lies on it."""
    subprocess.run(["umount", "--lazy", str(stage.data)], check=True)


def inject(stage: Stage) -> str:
    """Fill the disk, until the gateway says that it is not ready and some seconds more; then make room."""
    filling = stage.data / "filling"
    seconds = stage.random.uniform(1, 6)
    try:
        with filling.open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                with suppress(OSError):
                    while file.write(b"x" * size):
                        pass
        stage.wait(lambda: not ready(stage), 60)
        last(seconds)
    finally:
        filling.unlink()
    stage.wait(lambda: ready(stage), 120)
    return f"the disk was full to the last byte until the gateway said so, and {seconds:.1f} s more"
