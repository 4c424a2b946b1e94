"""The room left where the data lies, as metrics and `/readyz` tell it before it is gone."""

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

SHORT_BYTES = 1 << 30  # below this everybody is warned; `doctor` warns earlier
SHORT_SHARE = 0.10  # and only where less than this share of the disk is free: a small one need not be a short one


def free(folder: Path) -> int:
    """Bytes that are free for us; OSError where the folder is gone."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


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
    """Show the room left at each scrape: -1 where it is not known."""

    def left() -> float:
        try:
            return free(folder)
        except OSError:
            return -1

    gauge = Gauge("rollout_disk_free_bytes", "Room left where the data folder lies.", registry=registry)
    gauge.set_function(left)
