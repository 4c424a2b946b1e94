"""Shipped profiles: complete policies to start from, each number with its reason in the file."""

from functools import cache
from importlib import resources
from typing import Any

from pydantic import ValidationError

from policies.document import Policy
from policies.error import PolicyError, Problem
from policies.parse import parse

KINDS = ("driver", "content", "hotfix")  # a kind's profile is what its policies inherit from
CODES = {"extra_forbidden": "unknown-field", "missing": "missing-field"}


def names() -> tuple[str, ...]:
    """Return the names of all shipped profiles."""
    return (*KINDS, "demo")


def text(name: str) -> str:
    """Return a profile's file, with its comments; raises KeyError for a name that is not shipped."""
    if name not in names():
        raise KeyError(name)
    return resources.files(__name__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")


@cache
def profile(name: str) -> Policy:
    """Return a shipped profile; raises KeyError for a name that is not shipped."""
    return validated(document(name))


@cache
def document(name: str) -> dict[str, Any]:
    """Return a profile's plain values, for reading only; raises KeyError for a name that is not shipped."""
    return parse(text(name))


def validated(values: dict[str, Any]) -> Policy:
    """Return the policy that complete plain values say; raises PolicyError with every problem of shape."""
    try:
        return Policy.model_validate(values)
    except ValidationError as error:
        raise PolicyError(
            tuple(_problem(entry["type"], entry["loc"], entry["msg"]) for entry in error.errors())
        ) from None


def _problem(kind: str, location: tuple[int | str, ...], message: str) -> Problem:
    """Say in one sentence where the document is wrong."""
    where = ".".join(str(step) for step in location) or "policy"
    return Problem(CODES.get(kind, "invalid"), f"{where}: {message.removeprefix('Value error, ')}.")
