"""Durations in documents: `250ms`, `45s`, `10m`, `2h`, `3d`, fractions of them, or ISO 8601 (`PT1M30S`).

One spelling goes out: the largest unit that divides the duration without a rest, so 60s and 1m are one value.
Months and years are refused, since their length depends on when they begin.
"""

import re
from datetime import timedelta
from decimal import Decimal

NUMBER = r"(\d{1,12}(?:\.\d{1,9})?)"
SIMPLE = re.compile(rf"{NUMBER}(ms|s|m|h|d)", re.ASCII)
ISO_8601 = re.compile(rf"P(?:{NUMBER}W)?(?:{NUMBER}D)?(?:T(?:{NUMBER}H)?(?:{NUMBER}M)?(?:{NUMBER}S)?)?", re.ASCII)
MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
ISO_MILLISECONDS = (7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1_000)
LONGEST = timedelta(days=3650)


def parse_duration(text: str) -> timedelta:
    """Read a duration of whole milliseconds, 0 to ten years; raises ValueError with a sentence otherwise."""
    milliseconds = _milliseconds(text)
    if milliseconds != milliseconds.to_integral_value():
        raise ValueError(f"{text!r} is finer than a millisecond")
    if milliseconds > LONGEST // timedelta(milliseconds=1):
        raise ValueError(f"{text!r} is longer than ten years")
    return timedelta(milliseconds=int(milliseconds))


def format_duration(duration: timedelta) -> str:
    """Write a duration in its one canonical spelling; parts of a millisecond are cut off."""
    milliseconds = duration // timedelta(milliseconds=1)
    if milliseconds == 0:
        return "0s"
    unit = next(unit for unit, length in MILLISECONDS.items() if milliseconds % length == 0)
    return f"{milliseconds // MILLISECONDS[unit]}{unit}"


def _milliseconds(text: str) -> Decimal:
    """Return the exact number of milliseconds that the text says."""
    simple = SIMPLE.fullmatch(text)
    if simple is not None:
        return Decimal(simple[1]) * MILLISECONDS[simple[2]]
    iso = ISO_8601.fullmatch(text)
    if iso is None or not any(iso.groups()) or text.endswith("T"):
        raise ValueError(f"{text!r} is not a duration; write 45s, 10m, 2h, 3d or ISO 8601")
    parts = zip(iso.groups(), ISO_MILLISECONDS, strict=True)
    return sum((Decimal(number) * length for number, length in parts if number), Decimal(0))
