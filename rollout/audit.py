"""Audit: the hash-chained record of every decision and act.

Each link's hash covers the previous link's, so that no row can be changed, dropped or inserted without
every later hash telling.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

ORIGIN = "0" * 64


def link(
    previous: str, *, at: float, rollout: str | None, kind: str, person: str | None, detail: Mapping[str, Any]
) -> str:
    """The hash of a link: SHA-256 over its canonical JSON and the previous hash."""
    row = {"at": at, "rollout": rollout, "kind": kind, "person": person, "detail": detail, "previous": previous}
    return hashlib.sha256(json.dumps(row, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def first_broken(rows: Iterable[Mapping[str, Any]], previous: str = ORIGIN) -> int | None:
    """The `seq` of the first row whose hash does not follow from the one before, None if all do."""
    for row in rows:
        fields = {name: row[name] for name in ("at", "rollout", "kind", "person", "detail")}
        if row["previous"] != previous or row["hash"] != link(previous, **fields):
            return int(row["seq"])
        previous = row["hash"]
    return None
