"""Crash reports on their way: whatever reads dumps leaves one JSON file each in `crashes/`, and the agent sends them.

A file is the body of INTERFACES section 1.5 without `host`; `report` defaults to the file's name, so a report that was
sent twice counts once. Sent, it is removed; refused for good, it is put into `crashes/refused/` for a person.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rollout.errors import DamagedError
from rollout.host.door import Door
from rollout.host.state import read_object

FOLDER = "crashes"
MOST_AT_ONCE = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.json", re.ASCII)


class Spool:
    """The folder of reports that were not taken yet."""

    def __init__(self, state: Path, host: str, door: Door) -> None:
        self._folder = state / FOLDER
        self._host = host
        self._door = door

    def send(self) -> int:
        """Send what waits, oldest name first; how many were taken. UnreachableError where no answer comes."""
        taken = 0
        for path in self._waiting():
            try:
                report = self._report(path)
            except DamagedError:
                self._refuse(path)
                continue
            status = self._door.post("/v1/crashes", report).status
            if status < 300:
                path.unlink()
                taken += 1
            elif status < 500 and status not in {401, 403, 429}:
                self._refuse(path)
        return taken

    def _waiting(self) -> Iterator[Path]:
        if self._folder.is_dir():
            found = [path for path in self._folder.iterdir() if _NAME.fullmatch(path.name) and path.is_file()]
            yield from sorted(found)[:MOST_AT_ONCE]

    def _report(self, path: Path) -> dict[str, Any]:
        return {"report": path.stem, "kind": "bugcheck", **read_object(path), "host": self._host}

    def _refuse(self, path: Path) -> None:
        folder = self._folder / "refused"
        folder.mkdir(exist_ok=True)
        path.replace(folder / path.name)
