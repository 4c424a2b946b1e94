"""Imported by every Python process at its start: the wall clock is as wrong as the file says that CHAOS_CLOCK names."""

import os
import time

_PATH = os.environ.get("CHAOS_CLOCK")
_LOOK_SECONDS = 0.02
_true = time.time
_known = [float("-inf"), 0.0]  # looked at, by the clock that does not jump; seconds ahead


def _wrong() -> float:
    now = time.monotonic()
    if now - _known[0] >= _LOOK_SECONDS:
        try:
            with open(_PATH or "", encoding="ascii") as file:  # noqa: PTH123 - pathlib would be loaded into every process
                _known[1] = float(file.read() or 0)
        except (OSError, ValueError):
            _known[1] = 0.0
        _known[0] = now
    return _true() + _known[1]


if _PATH:
    time.time = _wrong
