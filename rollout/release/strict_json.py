"""JSON that every reader reads alike: one object, no duplicate keys, only integers 0..2^53.

Two parsers that disagree about a document are two releases; so what they may disagree about is refused.
"""

import json
from collections import Counter
from typing import Any, Never

LARGEST = 2**53  # the largest integer that every JSON reader keeps exactly


class JsonError(ValueError):
    """The document is not JSON of the strict form; the text says where."""


def read(data: bytes) -> dict[str, Any]:
    """Parse one UTF-8 JSON object; refuse fractions, exponents, NaN, Infinity and duplicate keys."""
    try:
        found = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_number,
        )
    except RecursionError as error:
        raise JsonError("nested too deep") from error
    except ValueError as error:  # bad UTF-8, bad JSON, and what the hooks refuse
        raise JsonError(str(error)) from error
    if not isinstance(found, dict):
        raise JsonError("not one JSON object")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        again, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise JsonError(f"the key {again[:40]!r} appears twice")
    return found


def _integer(text: str) -> int:
    # the length first: turning ten thousand digits into a number is slow, and refused by the interpreter
    if text.startswith("-") or len(text) > len(str(LARGEST)) or int(text) > LARGEST:
        raise JsonError(f"the integer {text[:20]} is not in 0..2^53")
    return int(text)


def _number(text: str) -> Never:
    raise JsonError(f"the number {text[:20]} is not an integer")
