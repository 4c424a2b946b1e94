"""A promise that was seen broken: by which check, and what was seen."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """`check` is the name under which a deliberately broken build is caught."""

    check: str
    seen: str
