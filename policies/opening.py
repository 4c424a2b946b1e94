"""Opening hours: a window in which forward steps may be taken. Stopping never waits for one."""

from datetime import datetime, time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _clock(value: object) -> time:
    if isinstance(value, time):
        return value
    try:
        return datetime.strptime(str(value), "%H:%M").time()  # noqa: DTZ007 - a wall clock time; its zone stands beside
    except ValueError:
        raise ValueError('a time of day is written "09:00"') from None


ClockTime = Annotated[time, BeforeValidator(_clock), PlainSerializer(lambda value: f"{value:%H:%M}")]


class Opens(BaseModel):
    """From `after` until before `before`, on `days`, by the clocks of `zone` (an IANA name)."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    after: ClockTime
    before: ClockTime
    days: Annotated[tuple[Day, ...], Field(strict=False, min_length=1)]
    zone: str

    def is_open(self, at: datetime) -> bool:
        """Say whether the aware time `at` lies in the window; raises where the zone is not known here."""
        local = at.astimezone(ZoneInfo(self.zone))
        return WEEK[local.weekday()] in self.days and self.after <= local.time() < self.before
