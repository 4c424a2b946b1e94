"""Loading: a document of few words becomes a complete policy.

What is absent comes from the profile that `kind` names: maps are merged field by field, rings by position (the last
ring from the last, surplus ones from the last but one). `null` is a value: it switches off. A ring's `size` is one
choice and is taken whole; `confirm.overdue` and `confirm.dark_after` are never inherited.
"""

import json
from collections.abc import Mapping
from typing import Any

from policies.document import Policy
from policies.error import PolicyError, Problem
from policies.parse import parse
from policies.profiles import KINDS, document, validated

WHOLE = frozenset({"size", "opens", "approval"})  # parts of two of these make no third one
DERIVED = frozenset({"overdue", "dark_after"})


def load(text: str | bytes | Mapping[str, Any]) -> Policy:
    """Return the complete policy; raises PolicyError with every problem of shape.

    Cross-field rules are `policies.lint.lint`'s business; `policies.lint.accepted` does both.
    """
    given = parse(_plain(text) if isinstance(text, Mapping) else text)
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise PolicyError((Problem("kind", f"The policy needs its kind: one of {', '.join(KINDS)}."),))
    return validated(_inherit(document(kind), given))


def _inherit(profile: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Fill in what the document leaves out."""
    inherited = {name: value for name, value in profile.items() if name != "rings"}
    merged: dict[str, Any] = _merge(inherited, given)
    merged["rings"] = _rings(profile["rings"], given["rings"]) if "rings" in given else profile["rings"]
    return merged


def _rings(profile: list[Any], given: object) -> object:
    """Merge rings by position; what is no list is left for the shape check to name."""
    if not isinstance(given, list):
        return given
    last = len(given) - 1
    parents = [profile[-1] if i == last else profile[min(i, len(profile) - 2)] for i in range(len(given))]
    return [_merge(parent, ring) for parent, ring in zip(parents, given, strict=True)]


def _merge(inherited: object, given: object) -> Any:
    """Return `given` with the fields it leaves out; anything but two maps is replaced."""
    if not (isinstance(inherited, dict) and isinstance(given, dict)):
        return given
    merged = {name: value for name, value in inherited.items() if name not in DERIVED}
    for name, value in given.items():
        merged[name] = value if name in WHOLE else _merge(inherited.get(name), value)
    return merged


def _plain(values: Mapping[str, Any]) -> str:
    """Write a document from a program as JSON, so that one set of guards reads all."""
    try:
        return json.dumps(dict(values))
    except (TypeError, ValueError, RecursionError) as error:
        raise PolicyError((Problem("syntax", f"A policy holds plain values: {error}."),)) from None
