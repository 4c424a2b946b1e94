"""Messages: bytes of JSON to rows of one kind, whole or not at all."""

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, Literal, Protocol, TypeVar

import msgspec

from policies.measure import NAME
from rollout.errors import MalformedError
from rollout.operation.admit import Question
from rollout.telemetry import HOST, PRODUCT, Beat, CrashReport, HostName

MOST_ROWS: Final = 10_000
_MOST_NAMES: Final = 10_000


class HasHost(Protocol):
    """A row about one host."""

    host: str


RowT = TypeVar("RowT", bound=HasHost)


@dataclass(frozen=True, slots=True)
class Message(Generic[RowT]):
    """Rows, and whether they came as a batch: a batch is answered with lists."""

    rows: Sequence[RowT]
    is_batch: bool


Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Attributes(msgspec.Struct, omit_defaults=True):
    """What a host says it is, at enrolment."""

    os_build: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    hardware: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    form: Literal["laptop", "desktop", "server"]
    site: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    role: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    tenant: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    group: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    tags: Annotated[list[Tag], msgspec.Meta(max_length=64)] | None = None


class Enrolment(msgspec.Struct):
    """The body of an enrolment (INTERFACES section 1.2)."""

    host: HostName
    public_key: Annotated[str, msgspec.Meta(max_length=256)]
    attributes: Attributes


class _Beats(msgspec.Struct):
    beats: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Crashes(msgspec.Struct):
    crashes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Adoptions(msgspec.Struct):
    adoptions: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Reader(Generic[RowT]):
    """Reads one kind of message: a row, or an object with a list of rows under `field`."""

    def __init__(self, envelope: type[msgspec.Struct], field: str, row: type[RowT]) -> None:
        self.field, self.row = field, row
        self._envelope = msgspec.json.Decoder(envelope)
        self._row = msgspec.json.Decoder(row)
        self._rows = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]  # a type known at run time

    def read(self, body: bytes, known: Container[str] = frozenset()) -> Message[RowT]:
        """Decode and check every row; `known` host ids need no second look at their spelling."""
        try:
            inner: Any = getattr(self._envelope.decode(body), self.field)
            is_batch = inner is not msgspec.UNSET
            rows: list[RowT] = self._rows.decode(inner) if is_batch else [self._row.decode(body)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedError(f"the body is not of the protocol's form: {error}", slug="malformed") from None
        if len(rows) > MOST_ROWS:
            raise MalformedError(f"{len(rows)} rows; a batch has at most {MOST_ROWS}", slug="too-large")
        for row in rows:
            if row.host not in known and not HOST.fullmatch(row.host):
                raise MalformedError("a host id is [A-Za-z0-9][A-Za-z0-9._-]{0,63}", slug="malformed")
        return Message(rows, is_batch)


class _BeatReader(Reader[Beat]):
    """Also checks the names of products and measures; most beats carry names seen before."""

    def __init__(self) -> None:
        super().__init__(_Beats, "beats", Beat)
        self._products: set[str] = set()
        self._measures: set[str] = set()

    def read(self, body: bytes, known: Container[str] = frozenset()) -> Message[Beat]:
        message = super().read(body, known)
        seen = self._products
        for row in message.rows:
            for product in row.running:
                if product not in seen:
                    _admit(product, PRODUCT, "a product", seen)
            for measure in row.measures or ():
                if measure not in self._measures:
                    _admit(measure, NAME, "a measure", self._measures)
        return message


def _admit(name: str, spelling: re.Pattern[str], what: str, seen: set[str]) -> None:
    """Check a name that was not seen before, and remember it while there is room."""
    if not spelling.fullmatch(name):
        raise MalformedError(f"{what} is {spelling.pattern}", slug="malformed")
    if len(seen) < _MOST_NAMES:
        seen.add(name)


def beats() -> Reader[Beat]:
    """The reader of beats."""
    return _BeatReader()


def crashes() -> Reader[CrashReport]:
    """The reader of crash reports."""
    return Reader(_Crashes, "crashes", CrashReport)


def questions() -> Reader[Question]:
    """The reader of adoption questions."""
    return Reader(_Adoptions, "adoptions", Question)


_ENROLMENT = msgspec.json.Decoder(Enrolment)


def enrolment(body: bytes) -> Enrolment:
    """Decode an enrolment."""
    try:
        found = _ENROLMENT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"the body is not of the protocol's form: {error}", slug="malformed") from None
    if not HOST.fullmatch(found.host):
        raise MalformedError("a host id is [A-Za-z0-9][A-Za-z0-9._-]{0,63}", slug="malformed")
    return found
