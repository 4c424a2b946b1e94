"""The policy document, one frozen value: what a rollout may do (schema `rollout.policy/1`).

Field names are those of the document. Durations are `timedelta`, shares are floats from 0 to 1. Only the shape is
checked here; what the fields mean together is `policies.lint`'s business. A `Policy` is always complete: absent
fields were filled in by `policies.load`, so that `document()` and the digest hide nothing.
"""

import math
import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from policies.duration import format_duration, parse_duration
from policies.measure import LARGEST, MOST, NAME
from policies.opening import Opens

HELD_OUT = "held-out"  # the name of the control group in ring maps; no ring may bear it

PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,9})?)\s?%", re.ASCII)


def _duration(value: object) -> timedelta:
    """Read a duration's text; a bare number has no unit and is refused."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("a duration needs its unit, as in 45s, 10m, 2h or 3d")  # noqa: TRY004 - pydantic reads ValueError
    return parse_duration(value)


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return value


def _share(value: object) -> float:
    """Read `5%`, `0.05` or 0.05 exactly; anything outside 0..1 is refused."""
    percent = PERCENT.fullmatch(value) if isinstance(value, str) else None
    try:
        share = float(Decimal(percent[1]) / 100) if percent else _number(value)
    except (InvalidOperation, TypeError, ValueError):
        share = math.nan
    if not 0.0 <= share <= 1.0:  # NaN is outside as well
        raise ValueError("a share is written 5% or 0.05 and lies between 0 and 100%")
    return share


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    return float(Decimal(value))


def _plain(value: float) -> float | int:
    """Write whole numbers without a point, so that 5 and 5.0 are one document."""
    return int(value) if value.is_integer() else value


Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(format_duration)]
Period = Annotated[Duration, AfterValidator(_positive)]
Share = Annotated[float, BeforeValidator(_share), PlainSerializer(_plain)]
Number = Annotated[float, Field(allow_inf_nan=False), PlainSerializer(_plain)]
Bounded = Annotated[Number, Field(ge=-LARGEST, le=LARGEST)]
Identifier = Annotated[str, Field(pattern=r"\A[a-z0-9][a-z0-9-]{0,62}\z")]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Some = Annotated[int, Field(ge=1, le=2**63 - 1)]


class Part(BaseModel):
    """A part of the document: frozen, strict, without unknown fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True)


class Confirm(Part):
    """When an adoption counts as survived, and when as lost. `overdue` and `dark_after`: null is derived."""

    uptime: Period
    reboots: Count
    deadline: Period
    overdue: Period | None = None
    dark_after: Period | None = None


class Weights(Part):
    """Shares of the halting evidence by guard; `strata` is divided among all strata. Together 1."""

    crash: Share
    crash_or_dark: Share
    dark: Share
    own: Share
    strata: Share


class Measure(Part):
    """A per-host number that is judged: exposed hosts' mean may exceed control's by `margin`, in the number's unit.

    More is worse. What lies below `lowest` or above `highest` counts as that bound. `weight`: its share of the halting
    evidence.
    """

    name: Annotated[str, Field(pattern=rf"\A{NAME.pattern}\z")]
    lowest: Bounded
    highest: Bounded
    margin: Bounded
    weight: Share

    @model_validator(mode="after")
    def _leaves_something_to_see(self) -> "Measure":
        if self.lowest >= self.highest:
            raise ValueError(f"lowest is {self.lowest:g}, highest {self.highest:g}; every number would be the same")
        if not 0 <= self.tolerated < 1:
            raise ValueError(f"a margin is at least 0 and below {self.highest - self.lowest:g}, the width of the range")
        return self

    @property
    def tolerated(self) -> float:
        """Return the margin as a share of the range from `lowest` to `highest`."""
        return self.margin / (self.highest - self.lowest)


class Judge(Part):
    """How often evidence is judged, and at which weight of it the rollout pauses and halts.

    The weights of guards and measures are together 1. A policy without measures reads as if there were none to name.
    """

    every: Period
    halt_at: Number
    pause_at: Number
    boost: bool
    weights: Weights
    measures: Annotated[tuple[Measure, ...], Field(strict=False, max_length=MOST)] = ()

    @model_serializer(mode="wrap")
    def _without_none(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = serialize(self)
        if not self.measures:
            del document["measures"]  # its digest stays what it was before there were measures
        return document


class Coverage(Part):
    """How much of each arm must be heard, and how old evidence may be, before the judge is blind."""

    at_least: Share
    stale_after: Period
    blind_limit: Period


class Size(Part):
    """How many hosts a ring has: a number, a share of the whole fleet, or all that are left."""

    hosts: Some | None = None
    share: Share | None = None
    rest: bool = False

    @model_validator(mode="after")
    def _says_one_thing(self) -> "Size":
        if [self.hosts is not None, self.share is not None, self.rest].count(True) != 1:
            raise ValueError("a size is exactly one of hosts, share, or rest: true")
        return self

    @model_serializer
    def _only_that(self) -> dict[str, int | float | bool]:
        if self.hosts is not None:
            return {"hosts": self.hosts}
        return {"rest": True} if self.share is None else {"share": _plain(self.share)}


class Select(Part):
    """Hosts that join a ring by a tag of their own; such a ring is hand-picked."""

    tags: Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]


class Limits(Part):
    """At most this share of any one site or role in this ring and earlier ones together."""

    site: Share | None = None
    role: Share | None = None


class Bake(Part):
    """How long a ring is observed after it was wholly admitted; `host_hours` are hours times hosts."""

    min: Duration
    host_hours: Annotated[Number, Field(ge=0)]
    max: Duration


class Promote(Part):
    """Gates of a ring: `margin` is the hazard ratio to be excluded, `early_life` the share of failing adoptions."""

    margin: Number | None
    early_life: Share | None


class Approval(Part):
    """Who must agree before a ring is promoted; on timeout the rollout is held."""

    role: Identifier
    persons: Some
    timeout: Period


class Ring(Part):
    """One ordered cohort: its size, its pace and its gates. Budgets are expected hosts harmed."""

    name: Identifier
    size: Size
    select: Select | None
    limits: Limits | None
    first_batch: Some
    budget: Number
    max_dark: Count
    max_per_minute: Some | None
    bake: Bake
    promote: Promote
    approval: Approval | None
    opens: Opens | None


class Policy(Part):
    """The whole document, with nothing left to look up elsewhere."""

    schema_id: Annotated[Literal["rollout.policy/1"], Field(alias="schema")]
    name: Identifier
    kind: Literal["driver", "content", "hotfix"]
    heartbeat: Period
    confirm: Confirm
    judge: Judge
    coverage: Coverage
    hold_out: Share
    watch: Duration
    on_unhealthy: Literal["rollback", "halt"]
    lease: Period
    rings: Annotated[tuple[Ring, ...], Field(strict=False, min_length=1)]

    @property
    def overdue(self) -> timedelta:
        """How long after its grant an adoption counts as lost (JUDGE section 4)."""
        confirm = self.confirm
        return confirm.overdue or max(2 * confirm.uptime, confirm.uptime + 3 * self.heartbeat)

    @property
    def dark_after(self) -> timedelta:
        """How long a host may be silent without announced sleep (JUDGE section 2)."""
        return self.confirm.dark_after or max(3 * self.heartbeat, 2 * self.confirm.uptime)

    def ring(self, name: str) -> Ring:
        """Return the ring of that name; raises KeyError."""
        for ring in self.rings:
            if ring.name == name:
                return ring
        raise KeyError(name)

    def document(self) -> dict[str, Any]:
        """Return the complete document in plain JSON values; loading it gives this policy again."""
        return self.model_dump(mode="json", by_alias=True)
