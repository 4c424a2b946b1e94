"""Where a running `up` listens: left in its data folder, since a port may have been taken at random.

Read by `doctor` and by a command line that was told nothing but the folder.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

from rollout.adapters.settings import Endpoint, Settings
from rollout.errors import InvalidError

DOORS: Final = ("api", "gateway")


def leave(settings: Settings) -> None:
    """Write where this `up` listens; never seen half-written."""
    path = _path(settings.data)
    half = path.with_suffix(".half")
    half.write_text(json.dumps({name: str(getattr(settings, name)) for name in DOORS}) + "\n", encoding="ascii")
    half.replace(path)


def as_running(settings: Settings) -> Settings:
    """Return the settings with the doors of the `up` that runs, or ran last, on this folder; unchanged if none did."""
    try:
        told = json.loads(_path(settings.data).read_text(encoding="ascii"))
        api, gateway = (Endpoint.parse(told[name], name) for name in DOORS)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidError):
        return settings  # no file, or another program's: what was configured is the best guess
    return replace(settings, api=api, gateway=gateway)


def _path(data: Path) -> Path:
    return data / "run" / "up.json"
