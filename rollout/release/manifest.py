"""Manifest of a release package, `rollout.release/1` (INTERFACES section 3).

Strict JSON first, then the shape: unknown, missing and ill-typed fields are all listed at once.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, FailFast, Field, Strict, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails

from rollout.crash.identity import ImageIdentity
from rollout.errors import Problem
from rollout.release import strict_json
from rollout.release.refusal import refusal, refuse

NAME = "manifest.json"
SCHEMA = "rollout.release/1"
LARGEST_BYTES = 4 * 1024 * 1024  # 4 096 files with long paths need 2 MB
LARGEST_LIST = 4096  # as many files as an archive may hold
MOST_PROBLEMS = 100  # more are counted, not listed: each listed one costs a thousand times its text
RESERVED = frozenset({"rings", "directors"})  # target folders of the Image repository (section 2)

Identifier = Annotated[str, StringConstraints(pattern=r"\A[a-z0-9][a-z0-9-]{0,62}\z")]
Digest = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]
Text = Annotated[str, StringConstraints(min_length=1)]
Count = Annotated[int, Field(ge=0, le=strict_json.LARGEST)]
# JSON has lists only, so a list must do for a tuple; the first wrong entry speaks for all
_ARRAY = (Strict(False), Field(max_length=LARGEST_LIST), FailFast())


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class File(_Part):
    """One member of the payload; `length` in bytes."""

    path: Text
    length: Count
    sha256: Digest
    role: Literal["sys", "inf", "cat", "content"]


class Build(_Part):
    """Identity of a driver image, ours or of the interpreter that reads this content."""

    name: Text
    timestamp: Count
    size: Count
    checksum: Count


class Content(_Part):
    """What the records of a content package are: each has exactly `fields` values."""

    schema_id: Text
    fields: Count


class Manifest(_Part):
    """Everything a release says about itself; `os_builds` is inclusive."""

    schema_: Literal["rollout.release/1"] = Field(alias="schema")
    product: Identifier
    version: Text
    release_counter: Count
    floor: Count
    kind: Literal["driver", "content"]
    hardware: Annotated[tuple[Text, ...], Field(min_length=1), *_ARRAY]
    os_builds: Annotated[tuple[Count, Count], Strict(False)]
    needs_reboot: bool
    files: Annotated[tuple[File, ...], *_ARRAY]
    builds: Annotated[tuple[Build, ...], *_ARRAY]
    content: Content | None = None
    rollback_to: Count | None = None
    notes: str | None = None

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        """Refuse fields that contradict each other."""
        if self.product in RESERVED:
            raise ValueError(f"the product name {self.product!r} is reserved")
        if not self.version.isprintable():
            raise ValueError("version holds characters that cannot be printed")
        if self.floor > self.release_counter:
            raise ValueError(f"floor {self.floor} is above release_counter {self.release_counter}")
        if self.os_builds[0] > self.os_builds[1]:
            raise ValueError(f"os_builds begins at {self.os_builds[0]}, above its end {self.os_builds[1]}")
        if self.kind == "content" and self.content is None:
            raise ValueError("kind content needs the field content")
        if self.kind != "content" and "content" in self.model_fields_set:
            raise ValueError(f"kind {self.kind} must not have the field content")
        return self

    @property
    def images(self) -> tuple[ImageIdentity, ...]:
        """Images that count as our own when a crash names them."""
        return tuple(ImageIdentity(b.name, b.timestamp, b.size, b.checksum) for b in self.builds)

    def document(self) -> dict[str, Any]:
        """Return the manifest as its JSON document, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def parse(data: bytes) -> Manifest:
    """Read a manifest; raise `SupplierError` with every `manifest` problem found."""
    if len(data) > LARGEST_BYTES:
        raise refuse("limits", f"{NAME} has {len(data)} bytes, at most {LARGEST_BYTES} are read")
    try:
        return Manifest.model_validate(strict_json.read(data))
    except strict_json.JsonError as error:
        raise refuse("manifest", f"{NAME}: {error}") from error
    except ValidationError as error:
        if error.error_count() > MOST_PROBLEMS:
            raise refuse("manifest", f"{NAME}: {error.error_count()} fields are wrong") from error
        raise refusal([Problem("manifest", _sentence(found)) for found in _listed(error)]) from error


def _listed(error: ValidationError) -> list[ErrorDetails]:
    # without the input: each problem would carry a copy of the whole document
    return error.errors(include_url=False, include_context=False, include_input=False)


def _sentence(found: ErrorDetails) -> str:
    """Say which field is wrong and why."""
    where = ".".join(str(part) for part in found["loc"])
    return f"{NAME}: {where + ': ' if where else ''}{found['msg'].removeprefix('Value error, ')}"
