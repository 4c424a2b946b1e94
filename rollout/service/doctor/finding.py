"""One finding of the doctor."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How bad it is; the worst is the report's."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, a sentence, and the one command that mends it (None where nothing is to do)."""

    check: str
    status: Status
    detail: str
    mend: str | None = None


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check, Status.OK, detail)


def warn(check: str, detail: str, mend: str) -> Finding:
    """It works, but not for ever, or not as well as it could."""
    return Finding(check, Status.WARN, detail, mend)


def fail(check: str, detail: str, mend: str) -> Finding:
    """It does not work, or is not safe."""
    return Finding(check, Status.FAIL, detail, mend)
