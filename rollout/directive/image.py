"""Reading an Image target's `custom`: a field that cannot be read is refused with the code of its line."""

from collections.abc import Mapping
from typing import Any

from rollout.directive.facts import Target
from rollout.directive.refusal import Code, RefusedError
from rollout.release.target import FieldError, TargetFacts

_CODES: Mapping[str, Code] = {
    "product": "mismatch",
    "release_counter": "mismatch",
    "hardware": "mismatch",
    "policy_digest": "mismatch",
    "os_builds": "hardware",
    "floor": "floor",
    "rollback_to": "floor",
    "warrant": "warrant",
    "warrant_expires": "warrant",
}


# Read in place of a warrant that nobody asks for: it allows nothing.
_NO_WARRANT: Mapping[str, Any] = {"warrant": {}, "warrant_expires": "1970-01-01T00:00:00Z"}


def warranted_release(target: Target) -> TargetFacts:
    """The release that an Image target describes, with its warrant, for an install."""
    return _read(target, _custom(target))


def release_of(target: Target) -> TargetFacts:
    """The release without its warrant: a damaged warrant must not keep a host from a hold or a way back."""
    return _read(target, {**_custom(target), **_NO_WARRANT})


def known_release(target: Target) -> TargetFacts | None:
    """The release without its warrant, or None where it cannot be read."""
    try:
        return release_of(target)
    except RefusedError:
        return None


def _read(target: Target, custom: Mapping[str, Any]) -> TargetFacts:
    try:
        return TargetFacts.from_custom(custom)
    except FieldError as error:
        raise RefusedError(_CODES.get(error.field, "metadata"), f"{target.path}: {error}") from error


def _custom(target: Target) -> Mapping[str, Any]:
    if not isinstance(target.custom, Mapping):
        raise RefusedError("metadata", f"{target.path} has no custom part in the Image repository")
    return target.custom
