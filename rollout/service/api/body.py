"""Bodies of operators' requests: bounded, strict JSON or YAML; unknown fields are an error."""

import json
from abc import ABC, abstractmethod
from typing import Annotated, Any, Final, Generic, Literal, NoReturn, TypeVar

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request

from rollout.errors import InvalidError, MalformedError, Problem
from rollout.service.gateway.body import MIB, decode, read

DOCUMENT_LIMIT: Final = MIB
PACKAGE_LIMIT: Final = 256 * MIB
MOST_PROBLEMS: Final = 50
COMPONENT: Final = "#/components/schemas/{model}"

Reasoning = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"\S")]
Body = TypeVar("Body", bound=BaseModel)


class Strict(BaseModel):
    """A body: exactly these fields, exactly these types."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Start(Strict):
    """`POST /rollouts`. `policy` is a stored name or a whole document."""

    release: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}/(0|[1-9][0-9]{0,15})$")]
    policy: str | dict[str, Any]
    reason: Reasoning
    skip_unstored: bool = False
    dry_run: bool = False


class Stop(Strict):
    """Stopping asks for nothing but a name."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] | None = None


class Because(Strict):
    """An act that must be explained."""

    reason: Reasoning


class Approve(Strict):
    """Agree to the promotion of a ring, on the evidence that was looked at."""

    ring: Annotated[str, StringConstraints(min_length=1, max_length=63)]
    evidence_revision: Annotated[int, Field(ge=0, le=2**53)]
    reason: Reasoning


class Resume(Strict):
    """Agree to go on, on the evidence that was looked at."""

    evidence_revision: Annotated[int, Field(ge=0, le=2**53)]
    reason: Reasoning


class NewToken(Strict):
    """A token to be made; `ttl` as in 45s, 10m, 2h, 3d."""

    role: Literal["viewer", "releaser", "operator", "approver", "admin", "enrol", "collector"]
    name: Annotated[str, StringConstraints(max_length=200)]
    uses: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    ttl: Annotated[str, StringConstraints(max_length=40)] | None = None


class Content(ABC):
    """A dependency that reads the body, after the person was identified: dependencies run in order."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the JSON schema of each content type."""


class Json(Content, Generic[Body]):
    """The body as a model; no body at all is an empty object."""

    def __init__(self, shape: type[Body]) -> None:
        self.shape = shape

    def describe(self) -> dict[str, Any]:
        """Return the model's own schema."""
        return {"application/json": self.shape.model_json_schema(ref_template=COMPONENT)}

    async def __call__(self, request: Request) -> Body:
        """Read it; MalformedError where it is no JSON object, InvalidError with every wrong field."""
        return _validated(as_object(await text(request)), self.shape)


class Bytes(Content):
    """The body as it was sent."""

    def describe(self) -> dict[str, Any]:
        """A package is what `rollout release verify` accepts."""
        return {"application/zip": {"type": "string", "format": "binary", "maxLength": PACKAGE_LIMIT}}

    async def __call__(self, request: Request) -> bytes:
        """Read it."""
        return await raw(request, PACKAGE_LIMIT)


Starting = Annotated[Start, Depends(Json(Start))]
Stopping = Annotated[Stop, Depends(Json(Stop))]
Explained = Annotated[Because, Depends(Json(Because))]
Approving = Annotated[Approve, Depends(Json(Approve))]
Resuming = Annotated[Resume, Depends(Json(Resume))]
NewTokens = Annotated[NewToken, Depends(Json(NewToken))]
Package = Annotated[bytes, Depends(Bytes())]


def _validated(found: dict[str, Any], shape: type[Body]) -> Body:
    try:
        return shape.model_validate(found)
    except ValidationError as error:
        rows = error.errors(include_url=False, include_context=False, include_input=False)[:MOST_PROBLEMS]
        problems = tuple(Problem("field", f"{'.'.join(map(str, row['loc']))}: {row['msg']}") for row in rows)
        raise InvalidError(f"the request is wrong: {problems[0].detail}", slug="invalid", problems=problems) from None


async def text(request: Request) -> bytes:
    """Return a document's bytes: UTF-8, bounded, not nested too deep."""
    body = await raw(request, DOCUMENT_LIMIT)
    coding = request.headers.get("content-encoding")
    return decode(body, None if coding is None else coding.encode("latin-1"), DOCUMENT_LIMIT)


async def raw(request: Request, limit: int) -> bytes:
    """Return the body as sent, at most `limit` bytes."""
    declared = request.headers.get("content-length")
    return await read(request.receive, None if declared is None else declared.encode("latin-1"), limit)


def as_object(body: bytes) -> dict[str, Any]:
    """Read one JSON object; MalformedError for anything else."""
    if not body.strip():
        return {}
    try:
        found = json.loads(body, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"the body is no JSON: {error}", slug="malformed") from None
    if not isinstance(found, dict):
        raise MalformedError("the body is no JSON object", slug="malformed")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is given twice")
    return found
