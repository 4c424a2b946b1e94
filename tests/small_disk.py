"""A disk of a few MiB, and filling it up to the last byte; skipped by name where nothing can be mounted."""

import os
import shutil
import subprocess
import sys
import unittest
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def mount(folder: Path, mebibytes: int) -> None:
    """Lay a small disk over a folder; SkipTest where that is not allowed."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("mount"):
        raise unittest.SkipTest("mounting a small disk needs Linux and root")
    folder.mkdir(parents=True, exist_ok=True)
    line = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise unittest.SkipTest(f"a small disk cannot be mounted here: {done.stderr.strip()}")


def unmount(folder: Path) -> None:
    """Take it away, with all that lies on it, though somebody may still hold a file open."""
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """Have a small disk for a block."""
    mount(folder, mebibytes)
    try:
        yield folder
    finally:
        unmount(folder)


def fill(folder: Path, leave: int = 0) -> None:
    """Write `filling` until so many bytes are left, give or take a block; 0: until not a byte more can be written."""
    with (folder / "filling").open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with suppress(OSError):
                while not leave or os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize > leave:
                    file.write(b"x" * size)
