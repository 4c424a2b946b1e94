"""Text to plain values: YAML or JSON from people, guarded against what both formats let through in silence.

Refused: more than 64 KiB, aliases and anchors (a short text can unfold without end), a key given twice (the last
would win), tags, and nesting that exhausts the parser. `16:00` and `2026-11-22` stay text: YAML 1.1 would read a
number of minutes and a date.
"""

import json
import re
from collections.abc import Hashable
from typing import Any

import yaml

from policies.error import PolicyError, Problem

LARGEST = 64 * 1024  # bytes; the longest shipped profile has five thousand


class _Loader(yaml.SafeLoader):
    """SafeLoader without aliases, repeated keys, dates and sexagesimal numbers."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call] # the published stubs leave it open
        if isinstance(event, yaml.events.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.YAMLError(f"anchors and aliases are not allowed (line {event.start_mark.line + 1})")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        _refuse_repeated(keys)
        return super().construct_mapping(node, deep)


def _without(resolvers: dict[str, list[tuple[str, Any]]]) -> dict[str, list[tuple[str, Any]]]:
    """Drop the resolvers of dates and of `<<`, and give numbers their JSON reading."""
    dropped = {f"tag:yaml.org,2002:{name}" for name in ("timestamp", "merge", "int", "float")}
    return {first: [pair for pair in pairs if pair[0] not in dropped] for first, pairs in resolvers.items()}


_Loader.yaml_implicit_resolvers = _without(yaml.SafeLoader.yaml_implicit_resolvers)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]{0,30})$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]{1,30}\.[0-9]{0,30}(?:[eE][-+]?[0-9]{1,3})?$"),
    list("-+0123456789"),
)


def parse(text: str | bytes) -> dict[str, Any]:
    """Read one mapping with text keys; raises PolicyError with code `syntax`."""
    try:
        value = _read(text)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise _syntax(" ".join(str(error).split())) from None
    except RecursionError:
        raise _syntax("nested too deeply") from None
    if not isinstance(value, dict):
        raise _syntax("a policy is a mapping of fields")
    return value


def _read(text: str | bytes) -> object:
    """Decode and parse; JSON first where it looks like JSON, since YAML refuses its tabs."""
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > LARGEST:
        raise ValueError(f"longer than {LARGEST} bytes")
    decoded = raw.decode("utf-8-sig")
    if decoded.lstrip().startswith("{"):
        try:
            return json.loads(decoded, object_pairs_hook=_object)
        except json.JSONDecodeError:
            pass  # a YAML flow mapping also starts with a brace; the YAML parser says what is wrong
    return yaml.load(decoded, Loader=_Loader)  # noqa: S506 - a SafeLoader with more refusals


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_repeated([key for key, _ in pairs])
    return dict(pairs)


def _refuse_repeated(keys: list[Any]) -> None:
    """Raise ValueError for keys that are not text or stand twice in one mapping."""
    odd = next((key for key in keys if not isinstance(key, str)), None)
    if odd is not None or None in keys:
        raise ValueError(f"the key {odd!r} is not text")
    if len(set(keys)) != len(keys):
        repeated = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"given twice: {', '.join(repeated)}")


def _syntax(detail: str) -> PolicyError:
    return PolicyError((Problem("syntax", f"The policy cannot be read: {detail}."),))
