"""Trust policy of a trust folder, `rollout.trust/1` (INTERFACES section 3), from the bytes of policy.json.

An absent or unknown field is an error: a trust folder that could be read two ways trusts too much.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints, ValidationError

from rollout.errors import InvalidError, Problem
from rollout.release import strict_json

NAME = "policy.json"
SLUG = "trust-policy"

Oid = Annotated[str, StringConstraints(pattern=r"\A[0-2](\.(0|[1-9][0-9]*))+\z")]


class TrustPolicy(BaseModel):
    """What this installation accepts; `content_schemas` maps a schema to the fields its interpreter supplies."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    schema_: Literal["rollout.trust/1"] = Field(alias="schema")
    required_ekus: Annotated[tuple[Oid, ...], Strict(False)]
    program_name: str | None
    allow_unsigned_content: bool
    content_schemas: Mapping[str, Annotated[int, Field(ge=0, le=strict_json.LARGEST)]]

    def document(self) -> dict[str, Any]:
        """Return the policy as its JSON document."""
        return self.model_dump(mode="json", by_alias=True)


def parse(data: bytes) -> TrustPolicy:
    """Read policy.json; raise `InvalidError` that lists every wrong field."""
    try:
        return TrustPolicy.model_validate(strict_json.read(data))
    except strict_json.JsonError as error:
        raise InvalidError(f"{NAME} cannot be read: {error}", slug=SLUG) from error
    except ValidationError as error:
        problems = tuple(
            Problem("trust", f"{'.'.join(map(str, found['loc']))}: {found['msg']}") for found in error.errors()
        )
        raise InvalidError(f"{NAME} is wrong: {problems[0].detail}", slug=SLUG, problems=problems) from error


# what `rollout up` first writes (INTERFACES section 5): one machine, nothing signed, opaque content only
DEVELOPMENT = parse(
    json.dumps(
        {
            "schema": "rollout.trust/1",
            "required_ekus": [],
            "program_name": None,
            "allow_unsigned_content": True,
            "content_schemas": {"opaque": 0},
        }
    ).encode()
)
