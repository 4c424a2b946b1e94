"""What a host knows about itself, in its state directory; nothing here is ever written by a check.

`host.json` says what it is and runs. `baselines.json`, written by the agent together with its intent to
adopt, says per product what it ran before: the way back, which must survive the crash it is for.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollout.adapters.trust.files import replace
from rollout.directive.facts import LARGEST, HostFacts
from rollout.errors import DamagedError

HOST = "host.json"
BASELINES = "baselines.json"


def read_host(state: Path) -> HostFacts:
    """The host's facts; DamagedError where `host.json` is absent or not of its form."""
    document = read_object(state / HOST)
    try:
        return HostFacts(
            host=_text(document["host"]),
            hardware=_text(document["hardware"]),
            os_build=_counter(document["os_build"]),
            installed=_counters(document["installed"]),
            tags=_tags(document.get("tags")),
            baselines=read_baselines(state),
        )
    except (KeyError, TypeError) as error:
        raise DamagedError(f"{HOST} is not of its form ({error}); enrol this host again") from error


def read_baselines(state: Path) -> dict[str, int]:
    """The counters recorded with intents, by product; none before the first adoption."""
    if not (state / BASELINES).exists():
        return {}
    try:
        return _counters(read_object(state / BASELINES)["baselines"])
    except (KeyError, TypeError) as error:
        raise DamagedError(f"{BASELINES} is not of its form ({error})") from error


def record_baseline(state: Path, product: str, counter: int) -> None:
    """Remember, durably, what the host ran before the adoption it is about to begin."""
    baselines = {**read_baselines(state), product: counter}
    document = {"schema": "rollout.baselines/1", "baselines": baselines}
    replace(state / BASELINES, json.dumps(document, sort_keys=True).encode(), mode=0o600)


def read_object(path: Path) -> Mapping[str, Any]:
    """A JSON object from a file; DamagedError where there is none."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise DamagedError(f"{path.name} is no JSON object")
    return document


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError(f"{value!a:.80} is not a text")
    return value


def _tags(value: object) -> frozenset[str]:
    if value is not None and not isinstance(value, list):
        raise TypeError(f"{value!a:.80} is not a list of tags")
    return frozenset(_text(tag) for tag in value or ())


def _counter(value: object) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise TypeError(f"{value!a:.80} is not a counter")
    return value


def _counters(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!a:.80} is not an object")
    return {_text(key): _counter(counter) for key, counter in value.items()}
