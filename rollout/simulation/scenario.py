"""The scenario file, one frozen value: a fleet, a fault, disturbances, and how often to play them.

Schema `rollout.scenario/1`. All but `fleet.hosts` is optional; an unknown field is an error. Beyond the published
fields: `policy` may be a whole document, `fleet.forms` gives shares of laptop, desktop and server,
`fleet.asks_per_minute` limits how many hosts ask, `fleet.measures` and `fault.measures` are numbers beside crashes
(docs/measures.md), `fault.absent_from` names rings without a host of the fault's stratum, and `fixed_bake_hours` opens
rings by the clock alone (how rules that only halt are compared).
"""

import json
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from policies.document import Policy
from policies.error import PolicyError
from policies.load import load as load_policy
from policies.measure import LARGEST, MOST, NAME
from policies.profiles import names, profile
from rollout.errors import InvalidError, NotFoundError, Problem

LARGEST_FLEET = 100_000_000
SHARES_TOLERANCE = 1e-6

Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Chance = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
MeasureName = Annotated[str, Field(pattern=rf"\A{NAME.pattern}\z")]
Form = Literal["laptop", "desktop", "server"]


class Part(BaseModel):
    """A part of the file: frozen, strict, without unknown fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True)


class Reported(Part):
    """What a host reports of a measure: one normal number, in the measure's own unit."""

    mean: Number
    deviation: Annotated[float, Field(ge=0, le=LARGEST)]


class Fleet(Part):
    """Hosts and what happens to them without any release; `beat` in seconds, `measures` as policies name them."""

    hosts: Annotated[int, Field(ge=1, le=LARGEST_FLEET)]
    crash_per_host_hour: Rate = 0.000208
    clustering_k: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    dark_per_host_hour: Rate = 0.0
    reboots_per_day: Rate = 1.0
    online_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    forms: dict[Form, Chance] = {"server": 1.0}
    strata: Annotated[dict[Name, Chance], Field(min_length=1)] = {"all": 1.0}
    beat: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    asks_per_minute: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    measures: Annotated[dict[MeasureName, Reported], Field(max_length=MOST)] = {}

    @model_validator(mode="after")
    def _are_whole(self) -> "Fleet":
        for name, shares in (("forms", self.forms), ("strata", self.strata)):
            if abs(sum(shares.values()) - 1.0) > SHARES_TOLERANCE:
                raise ValueError(f"the shares of {name} together are {sum(shares.values()):g}, not 1")
        return self


class Fault(Part):
    """What the release does to the hosts that adopt it, of `stratum` or (None) of all.

    `ratio`: hazard ratio of crashes from `onset_hours` of the rollout on. `lethal`: chance that adopting kills at
    once; such a host is restarted by people and reports, or (`lethal_reports` false) never speaks again.
    `own_blame`: share of the fault's crashes whose culprit is found to be this product. `measures`: what it adds to the
    numbers of `fleet.measures`.
    """

    ratio: Rate = 1.0
    lethal: Chance = 0.0
    lethal_reports: bool = True
    onset_hours: Rate = 0.0
    stratum: Name | None = None
    own_blame: Chance = 0.9
    measures: dict[MeasureName, Number] = {}
    absent_from: tuple[Name, ...] = Field(default=(), strict=False)


class Surge(Part):
    """Both arms crash `factor` times as often for a while."""

    at_hours: Rate
    for_hours: Rate
    factor: Rate


class Outage(Part):
    """Nothing reaches the gateway for a while; what was meant for it comes afterwards."""

    at_hours: Rate
    for_minutes: Rate


class Disturbance(Part):
    """What happens to both arms alike, beside any fault.

    `diurnal`: amplitude of a daily wave of the hazard. `drift_per_day`: growth of the hazard. `reboot_factor`: hazard
    for `reboot_hours` after any restart, the one of adopting included.
    """

    diurnal: Chance = 0.0
    surge: Surge | None = None
    drift_per_day: Annotated[float, Field(ge=-0.9, le=10)] = 0.0
    reboot_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0
    reboot_hours: Annotated[float, Field(gt=0, le=0.5)] = 0.5
    gateway_outage: Outage | None = None


class ReportDelay(Part):
    """Lognormal seconds from a crash to its report."""

    median: Rate = 360.0
    sigma: Rate = 0.9


class Scenario(Part):
    """The whole file."""

    schema_id: Annotated[Literal["rollout.scenario/1"], Field(alias="schema")] = "rollout.scenario/1"
    name: Name = "scenario"
    policy: str | dict[str, Any] = "driver"
    runs: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 1
    fleet: Fleet
    fault: Fault = Fault()
    disturbance: Disturbance = Disturbance()
    report_delay_seconds: ReportDelay = ReportDelay()
    fixed_bake_hours: Annotated[float, Field(gt=0, le=8760)] | None = None

    @model_validator(mode="after")
    def _names_its_own(self) -> "Scenario":
        stratum, known = self.fault.stratum, self.fleet.strata
        if stratum is not None and stratum not in known:
            raise ValueError(f"fault.stratum {stratum!r} is none of fleet.strata ({', '.join(known)})")
        if self.fault.absent_from and stratum is None:
            raise ValueError("fault.absent_from needs fault.stratum")
        strange = [name for name in self.fault.measures if name not in self.fleet.measures]
        if strange:
            raise ValueError(f"fault.measures {strange[0]!r} is none of fleet.measures")
        return self


def shipped() -> tuple[str, ...]:
    """Return the names of the scenarios that come with the program."""
    folder = resources.files("rollout.simulation").joinpath("scenarios")
    return tuple(sorted(each.name.removesuffix(".json") for each in folder.iterdir() if each.name.endswith(".json")))


def find(name: str) -> Scenario:
    """Return a shipped scenario or the one in a file; raises NotFoundError or InvalidError with every problem."""
    if name in shipped():
        return parse(resources.files("rollout.simulation").joinpath("scenarios", f"{name}.json").read_bytes(), name)
    if not name.endswith(".json") and "/" not in name and not Path(name).exists():
        raise NotFoundError(f"{name!r} is no shipped scenario ({', '.join(shipped())}) and no file", slug="no-scenario")
    try:
        return parse(Path(name).read_bytes(), name)
    except OSError as error:
        raise NotFoundError(f"the scenario {name} cannot be read: {error.strerror}", slug="no-file") from error


def parse(text: bytes, source: str) -> Scenario:
    """Read a scenario; raises InvalidError that names the source and, of each problem, the field."""
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"{source} is not JSON: {error}", slug="scenario") from error
    try:
        return Scenario.model_validate(document)
    except ValidationError as error:
        problems = tuple(_problem(one["loc"], one["msg"]) for one in error.errors())
        raise InvalidError(f"{source} is no scenario", slug="scenario", problems=problems) from None


def policy_of(scenario: Scenario, instead: str | None = None) -> Policy:
    """Return the scenario's policy, or the shipped profile or file named `instead`."""
    chosen = scenario.policy if instead is None else instead
    try:
        if isinstance(chosen, dict):
            return load_policy(chosen)
        if chosen in names():
            return profile(chosen)
        return load_policy(Path(chosen).read_bytes())
    except PolicyError as error:
        problems = tuple(Problem(one.code, one.detail) for one in error.problems)
        raise InvalidError("the policy cannot be used", slug="policy", problems=problems) from error
    except OSError as error:
        known = ", ".join(names())
        raise NotFoundError(
            f"{chosen!r} is no shipped policy ({known}) and no readable file", slug="no-policy"
        ) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a field that stands twice: which of them was meant?"""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in one object")
    return found


def _problem(location: tuple[int | str, ...], message: str) -> Problem:
    where = ".".join(str(step) for step in location) or "scenario"
    return Problem("scenario", f"{where}: {message.removeprefix('Value error, ')}")
