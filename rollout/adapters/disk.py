"""The room left where the data lies, as metrics and `/readyz` tell it before it is gone."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

SHORT_BYTES = 1 << 30  # below this everybody is warned; `doctor` warns earlier
SHORT_SHARE = 0.10  # and only where less than this share of the disk is free: a small one need not be a short one


def free(folder: Path) -> int:
    """Bytes that are free for us; OSError where the folder is gone."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def free_share(folder: Path) -> float:
    """Share of the disk that is free for us, 0..1; OSError where the folder is gone."""
    found = os.statvfs(folder)
    return found.f_bavail / found.f_blocks if found.f_blocks else 0.0


def warnings(folder: Path) -> dict[str, list[str]]:
    """What `/readyz` adds before the disk is full: `warnings`, sentences for people; nothing while there is room."""
    try:
        found = os.statvfs(folder)
    except OSError as error:
        return {"warnings": [f"the room left at {folder} is not known: {error.strerror}"]}
    left = found.f_bavail * found.f_frsize
    short = left < SHORT_BYTES and found.f_bavail < SHORT_SHARE * found.f_blocks
    said = f"only {left >> 20} MiB are free at {folder}; when it is full nothing goes forward"
    return {"warnings": [said]} if short else {}


def register(registry: CollectorRegistry, folder: Path) -> None:
    """Show the room left at each scrape, in bytes and as a share of the disk: -1 where it is not known."""
    shown: tuple[tuple[str, str, Callable[[Path], float]], ...] = (
        ("rollout_disk_free_bytes", "Room left where the data folder lies.", free),
        ("rollout_disk_free_ratio", "Share of the data folder's disk that is free.", free_share),
    )
    for name, words, measure in shown:
        Gauge(name, words, registry=registry).set_function(partial(_known, measure, folder))


def _known(measure: Callable[[Path], float], folder: Path) -> float:
    try:
        return measure(folder)
    except OSError:
        return -1
