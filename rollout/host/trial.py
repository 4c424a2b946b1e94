"""The boot counter: how often a host has begun a boot with a candidate that has not proved itself.

One small file, replaced whole, that an early-boot stub can read and write without the journal. It is armed before the
candidate is loaded and removed once it survived. Neither needs a network, nor the agent to be well.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from rollout.adapters.trust import files
from rollout.directive.facts import LARGEST
from rollout.errors import DamagedError
from rollout.host.state import read_object

FILE = "trial.json"
SCHEMA = "rollout.trial/1"


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate on trial. `boots`: boots begun since it was armed; `boot`: the last one that was counted.

    `reverted`: an early-boot stub has put the baseline back already.
    """

    product: str
    candidate: int
    baseline: int | None
    limit: int
    boot: str
    boots: int = 0
    reverted: bool = False

    def begun(self, boot: str) -> "Trial":
        """The trial once this boot is counted; the same boot counts once."""
        return self if boot == self.boot else replace(self, boot=boot, boots=self.boots + 1)

    @property
    def failed(self) -> bool:
        """Whether the candidate has had its chances: the baseline goes back, and nobody is asked."""
        return self.reverted or self.boots > self.limit


def read(folder: Path) -> Trial | None:
    """The trial in force, None without any; DamagedError where the file is not of its form."""
    if not (folder / FILE).exists():
        return None
    document = dict(read_object(folder / FILE))
    if document.pop("schema", None) != SCHEMA:
        raise DamagedError(f"{FILE} has another schema than {SCHEMA}", slug="trial")
    if set(document) != {each.name for each in fields(Trial)} or not _sound(document):
        raise DamagedError(f"{FILE} is not of its form", slug="trial")
    return Trial(**document)


def write(folder: Path, trial: Trial) -> None:
    """Put the trial in force, durable before return."""
    document: dict[str, Any] = {"schema": SCHEMA, **asdict(trial)}
    files.replace(folder / FILE, json.dumps(document, sort_keys=True).encode(), mode=0o600)


def end(folder: Path) -> None:
    """Disarm. One that a power cut brings back belongs to no course and is removed again."""
    (folder / FILE).unlink(missing_ok=True)


def _sound(document: Mapping[str, Any]) -> bool:
    numbers = [document[name] for name in ("candidate", "limit", "boots")]
    numbers += [] if document["baseline"] is None else [document["baseline"]]
    whole = all(type(number) is int and 0 <= number <= LARGEST for number in numbers)
    texts = all(isinstance(document[name], str) for name in ("product", "boot"))
    return whole and texts and type(document["reverted"]) is bool
