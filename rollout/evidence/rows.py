"""Evidence rows: the JSON lines that every judgement is folded from (docs/evidence.md).

Strict both ways: a row of unknown kind, with an unknown field, a negative count, NaN, or out of order is an
`EvidenceError` that names its line. Absence never passes for health: a tick's absent counts are zeros, which hold.
Rows are frozen msgspec structs: slots like a dataclass's, but decoded and checked at a million rows a second.

Fields beyond the published contract, all optional: a header's `rings` (ring name to its number of hosts today, in
order, empty rings 0) and `measures`, rows of a measure, a tick's `overdue_asleep` (how many of `overdue` are late only
since their hosts announced sleep), and of a guard row
- `exposed_unmatched`, `control_in_stratum`: while bands of the stratum have no match in control, the exposed hosts at
  risk in all of these, and the control hosts at risk in the whole stratum;
- `confirmed_in_stratum`: where the row's own `band` is one of them, the exposed hosts at risk in the whole stratum that
  confirmed. Rows of before have no `exposed_unmatched`: the judge halts by `control_in_stratum` alone, and such a row
  without `confirmed_in_stratum` proves no safety.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct

from policies.measure import LARGEST, MOST, NAME
from rollout.errors import InvalidError

Guard: TypeAlias = Literal["crash", "crash_or_dark", "dark", "own"]
Arm: TypeAlias = Literal["exposed", "control"]
Adoption: TypeAlias = Literal["granted", "confirmed", "failed", "overdue", "resolved"]
Act: TypeAlias = Literal["pause", "resume", "approve", "reject", "halt", "freeze", "unfreeze"]
Blindness: TypeAlias = Literal["coverage", "stale", "gateway", "store"]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=512)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Run: TypeAlias = Annotated[int, Meta(ge=1, le=10_000_000)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=1e12)]
HostHours: TypeAlias = Annotated[float, Meta(ge=0, le=1e15)]
BasisPoints: TypeAlias = Annotated[int, Meta(ge=0, le=10_000)]
MeasureName: TypeAlias = Annotated[str, Meta(pattern=rf"^{NAME.pattern}\Z")]
Value: TypeAlias = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
Weight: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


class EvidenceError(InvalidError):
    """Evidence that cannot be judged: it is malformed, out of order or contradicts itself."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, slug="evidence")


class Header(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """First row of a rollout (seq 0): what is fixed before anything is seen.

    `strata` fixes the number of stratum guards, `measures` the numbers that are judged with their weights, `policy` is
    the whole policy document.
    """

    rollout: Name
    strata: list[Name]
    policy_digest: str
    policy: dict[str, Any] | None = None
    rings: dict[Name, Count] | None = None
    measures: Annotated[dict[MeasureName, Weight], Meta(max_length=MOST)] | None = None
    seq: Count = 0
    at: Seconds = 0.0


class FailureRow(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """First event of a host for one guard, with the hosts at risk just before it."""

    rollout: Name
    seq: Count
    at: Seconds
    ring: Name
    guard: Guard
    stratum: Name
    arm: Arm
    exposed_at_risk: Count
    control_at_risk: Count
    exposed_confirmed: Count = 0
    band: str | int | None = None
    exposed_unmatched: Count | None = None
    control_in_stratum: Count | None = None
    confirmed_in_stratum: Count | None = None


class AdoptionRow(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What became of `count` adoptions whose grants are ranked `order`, `order` + 1, and so on."""

    rollout: Name
    seq: Count
    at: Seconds
    ring: Name
    stratum: Name
    adoption: Adoption
    order: Count
    count: Run = 1


class TickRow(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The state of both arms at one moment; `clock` is in seconds of the rollout clock.

    `reporting_bp` is the exposed arm's coverage. Counts and host-hours run since the rollout began.
    """

    rollout: Name
    seq: Count
    at: Seconds
    clock: Seconds
    ring: Name
    tick: bool = True
    reporting_bp: BasisPoints = 0
    control_reporting_bp: BasisPoints = 0
    exposed: Count = 0
    exposed_confirmed: Count = 0
    overdue: Count = 0
    overdue_asleep: Count = 0
    dark: Count = 0
    outstanding: Count = 0
    host_hours: HostHours = 0.0
    control_host_hours: HostHours = 0.0
    reboots: Count = 0
    admitted: bool = False
    blind: Blindness | None = None


class MeasureRow(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One pair: what an exposed host of `ring` reported, and a control host like it at about that time.

    The numbers are as reported; the judge winsorises them. A host stands in at most one pair of a measure.
    """

    rollout: Name
    seq: Count
    at: Seconds
    ring: Name
    stratum: Name
    measure: MeasureName
    exposed: Value
    control: Value


class ActRow(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a person did; `ring` is the ring an approval promotes."""

    rollout: Name
    seq: Count
    at: Seconds
    act: Act
    ring: str | None = None
    person: str | None = None


Row: TypeAlias = Header | FailureRow | AdoptionRow | TickRow | MeasureRow | ActRow
_AnyRow = TypeVar("_AnyRow", bound=Row)

_KINDS: Final[tuple[tuple[str, type[Row]], ...]] = (
    ("guard", FailureRow),
    ("adoption", AdoptionRow),
    ("tick", TickRow),
    ("measure", MeasureRow),
    ("act", ActRow),
    ("strata", Header),
)
_DECODERS: Final = tuple((f'"{key}"', msgspec.json.Decoder(kind)) for key, kind in _KINDS)
_OPTIONAL: Final = (
    "band",
    "exposed_unmatched",
    "control_in_stratum",
    "confirmed_in_stratum",
    "policy",
    "rings",
    "measures",
    "ring",
    "person",
)


def parse(line: str, number: int) -> Row:
    """Return the row that line `number` (counted from 1) holds; raises EvidenceError that names the line."""
    for mark, decoder in _DECODERS:
        if mark in line:
            try:
                return _checked(decoder.decode(line), number)
            except msgspec.DecodeError:
                break
    return _parse_by_keys(line, number)


def dump(row: Row) -> str:
    """Return the row as canonical JSON on one line: sorted keys, no spaces, absent optional fields left out."""
    fields = msgspec.to_builtins(row)
    kept = {key: value for key, value in fields.items() if value is not None or key not in _OPTIONAL}
    return msgspec.json.encode(kept, order="sorted").decode()


def read(lines: Iterable[str]) -> dict[str, list[Row]]:
    """Return each rollout's rows in order; rollouts may be interleaved, blank lines are skipped.

    Raises EvidenceError where a row is malformed, a rollout does not begin with its header, a `seq` is missing,
    double or out of order, time runs backwards, or a measure is not one of the header's.
    """
    rollouts: dict[str, list[Row]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = parse(line, number)
        rows = rollouts.setdefault(row.rollout, [])
        _check_order(rows[-1] if rows else None, row, number)
        if type(row) is MeasureRow and not is_named(rows[0], row):
            raise EvidenceError(f"line {number}: the header of rollout {row.rollout} names no measure {row.measure}")
        rows.append(row)
    return rollouts


def is_named(header: Row, row: MeasureRow) -> bool:
    """Say whether the header names the row's measure: one that was chosen later would not be valid evidence."""
    return isinstance(header, Header) and header.measures is not None and row.measure in header.measures


def _parse_by_keys(line: str, number: int) -> Row:
    """Parse slowly, by the keys of the object itself, to answer exactly what is wrong."""
    try:
        fields = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise EvidenceError(f"line {number}: not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise EvidenceError(f"line {number}: a row is a JSON object")
    kinds = [kind for key, kind in _KINDS if key in fields]
    if len(kinds) != 1:
        known = ", ".join(key for key, _ in _KINDS)
        raise EvidenceError(f"line {number}: a row has exactly one of the fields {known}; this has {len(kinds)}")
    try:
        return _checked(msgspec.convert(fields, kinds[0]), number)
    except msgspec.ValidationError as error:
        raise EvidenceError(f"line {number}: {error}") from error


def _checked(row: _AnyRow, number: int) -> _AnyRow:
    """Return the row if it keeps the rules that its types cannot express."""
    if isinstance(row, TickRow) and not row.tick:
        raise EvidenceError(f"line {number}: `tick` is true or the row is no tick")
    if isinstance(row, TickRow) and row.overdue_asleep > row.overdue:
        raise EvidenceError(f"line {number}: {row.overdue_asleep} overdue and asleep of {row.overdue} overdue")
    if isinstance(row, FailureRow) and row.exposed_unmatched is not None and row.control_in_stratum is None:
        raise EvidenceError(
            f"line {number}: `exposed_unmatched` is compared with `control_in_stratum`, which is missing"
        )
    if isinstance(row, Header) and (row.seq, row.at) != (0, 0.0):
        raise EvidenceError(f"line {number}: a header has seq 0 and at 0, not {row.seq} and {row.at:g}")
    if isinstance(row, Header) and len(set(row.strata)) != len(row.strata):
        raise EvidenceError(f"line {number}: the header names a stratum twice")
    return row


def _check_order(last: Row | None, row: Row, number: int) -> None:
    """Raise EvidenceError unless `row` follows `last` without a gap."""
    if last is None:
        if not isinstance(row, Header):
            raise EvidenceError(f"line {number}: rollout {row.rollout} begins without its header (seq 0)")
        return
    if row.seq != last.seq + 1:
        raise EvidenceError(f"line {number}: seq {row.seq} of rollout {row.rollout} where {last.seq + 1} is due")
    if isinstance(row, Header):
        raise EvidenceError(f"line {number}: a second header of rollout {row.rollout}")
    if row.at < last.at:
        raise EvidenceError(f"line {number}: time runs backwards, {row.at:g} s after {last.at:g} s")
