"""Measures: numbers that the product writes into a file and the agent repeats in its beats.

What cannot be believed is left out of the beat: a beat that the gateway refuses would be silence, and silence is dark.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec

from policies.measure import MOST, NAME
from rollout.adapters.clock import SystemClock
from rollout.host.machine import Machine
from rollout.host.saying import Saying
from rollout.telemetry import MeasureName, Value

LARGEST_FILE: Final = 8192
_FORM: Final = msgspec.json.Decoder(Annotated[dict[MeasureName, Value], msgspec.Meta(max_length=MOST)])


class Meter:
    """Reads `file`, a JSON object of names and numbers; None: nothing is measured here."""

    def __init__(self, file: Path | None, machine: Machine, saying: Saying) -> None:
        self._file = file
        self._machine = machine
        self._saying = saying
        self._clock = SystemClock()

    def read(self) -> Mapping[str, float]:
        """Return what was measured in this boot; nothing where the file is not there or is not of its form."""
        if self._file is None:
            return {}
        found: Mapping[str, float] = {}
        said = ""
        try:
            if self._clock.now() - self._file.stat().st_mtime <= self._machine.uptime():
                found = _read(self._file)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
            said = f"{self._file} is not reported: {error}"
        self._saying.tell("measures", said, over=f"{self._file} is reported again")
        return found

    def forget(self) -> None:
        """Remove the file: what one release measured says nothing of the next."""
        try:
            if self._file is not None:
                self._file.unlink(missing_ok=True)
        except OSError as error:  # no reason to keep a host from its way back
            self._saying.tell("measures", f"{self._file} is reported no more, since it cannot be removed: {error}")
            self._file = None


def _read(file: Path) -> Mapping[str, float]:
    """Return the file's numbers; ValueError where it is not of its form."""
    with file.open("rb") as opened:
        text = opened.read(LARGEST_FILE + 1)
    if len(text) > LARGEST_FILE:
        raise ValueError(f"it is longer than {LARGEST_FILE} bytes")
    found: dict[str, float] = _FORM.decode(text)
    strange = next((name for name in found if not NAME.fullmatch(name)), None)
    if strange is not None:
        raise ValueError(f"a measure is {NAME.pattern}, not {strange!a:.80}")
    return found
