"""What was signed and what is served, read as bytes: no install after a stop, and versions that only rise."""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from tests.scenarios.model_log import Entry, Records
from tests.scenarios.model_promises import BEGUN, FORWARD, held

ROLES = ("root", "timestamp", "snapshot", "targets")


class Metadata:
    """Repositories as the auditor last saw them."""

    def __init__(self, folder: Path, records: Records) -> None:
        self._folder, self._records = folder / "metadata", records
        self._versions: dict[str, dict[str, int]] = {}
        self._issued: dict[str, float] = defaultdict(float)
        self._epochs: dict[tuple[str, str], int] = {}
        self._served: dict[str, int] = defaultdict(int)

    def published(self, entry: Entry, states: Mapping[str, str], rings: Mapping[tuple[str, str], str]) -> None:
        """One stored publish. `states` and `rings` are those in force when it was stored."""
        name, versions = entry.subject, json.loads(entry.more)
        before = self._versions.get(name, dict.fromkeys(ROLES, 0))
        held("versions only rise", all(versions[role] >= before[role] for role in ROLES), (name, before, versions))
        held("compare and swap", int(entry.new) == int(entry.old) + 1, entry)
        issued = self._records.one("SELECT issued FROM repository WHERE name = ?", name)
        held("x-issued never goes back", issued >= self._issued[name], (name, issued))
        self._versions[name], self._issued[name] = versions, issued
        if name.startswith("director/") and versions["targets"] > before["targets"]:
            self._directives(name, versions["targets"], states, rings)

    def _directives(
        self, name: str, version: int, states: Mapping[str, str], rings: Mapping[tuple[str, str], str]
    ) -> None:
        file = "SELECT content FROM metadata_file WHERE repository = ? AND name = ?"
        content = self._records.one(file, name, f"{version}.targets.json")
        for target in json.loads(content)["signed"]["targets"].values():
            custom = target["custom"]
            rollout, key = custom["rollout"], (name, custom["rollout"])
            held("epochs never go back", custom["epoch"] >= self._epochs.get(key, 0), (name, custom))
            self._epochs[key] = custom["epoch"]
            if custom["action"] != "install":
                continue
            going = states[rollout] in {*FORWARD, "completed"}
            held("P4 install is never signed after a stop", going, (name, rollout, states[rollout]))
            begun = rings[rollout, name.removeprefix("director/")] in BEGUN
            held("P5 install is never signed for a ring that waits", begun, (name, rollout))

    def served(self) -> None:
        """What clients fetch now: never older than before, never newer than what is stored."""
        for name, versions in self._versions.items():
            file = self._folder / name / "timestamp.json"
            version = json.loads(file.read_bytes())["signed"]["version"] if file.exists() else 0
            held("a copy never goes back", version >= self._served[name], (name, version, self._served[name]))
            held("a copy is of what is stored", version <= versions["timestamp"], (name, version, versions))
            self._served[name] = version
