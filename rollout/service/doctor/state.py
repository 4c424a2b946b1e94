"""The doctor on what is kept: the clock against it, the store, the signed metadata."""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rollout.adapters.settings import Settings
from rollout.service.doctor.finding import Finding, fail, ok, warn

_JUMP = timedelta(minutes=2)  # what a host still accepts (INTERFACES section 2, line 3)
_SECONDS_WHILE_IT_RUNS = 1.0  # a long reader stops the store's checkpoints
_SECONDS_AT_REST = 60.0
_STEPS_BETWEEN_LOOKS = 20_000
_IMAGE = "image"
_LIFE = {  # DESIGN section 3, Publishing; warned at a third left
    "timestamp": timedelta(days=90),
    "snapshot": timedelta(days=90),
    "targets": timedelta(days=365),
    "root": timedelta(days=365),
}


def clock(folder: Path, now: float) -> Finding:
    """Check that the clock is not before what it wrote: hosts refuse metadata from the past.

    Args:
        folder: the data folder; the program's own files are looked at too.
        now: Unix seconds.
    """
    written = [Path(__file__), *folder.glob("store.sqlite3*"), *folder.glob("run/*")]
    newest = max(path.stat().st_mtime for path in written if path.exists())
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if now < newest - _JUMP.total_seconds():
        behind = timedelta(seconds=round(newest - now))
        return fail("clock", f"{shown} is {behind} before files this machine wrote", "sudo timedatectl set-ntp true")
    return ok("clock", f"{shown}, not before anything written here")


def store(settings: Settings, *, runs: bool) -> Finding:
    """Check the store's schema version, and its file for damage."""
    from rollout.adapters.store.migrate import known_version, stored_version  # noqa: PLC0415 - 0.3 s

    file = _file(settings.database)
    if file is not None and not file.exists():
        return ok("store", f"{file} is made at first start")
    if file is not None and (damage := _damage(file, _SECONDS_WHILE_IT_RUNS if runs else _SECONDS_AT_REST)):
        return fail("store", f"{file} is damaged: {damage}", f"sqlite3 {file} .recover | sqlite3 {file}.recovered")
    found, known = stored_version(settings.database), known_version()
    if found == known:
        return ok("store", f"schema version {found}, no damage seen")
    seen = "has no tables" if found is None else f"is at schema version {found}"
    return fail("store", f"the store {seen}, this program knows {known}", "rollout up")


def metadata(settings: Settings, now: float) -> Finding:
    """Check how long the signed metadata lives: an expired Image repository stops every host."""
    file = _file(settings.database)
    if file is not None and not file.exists():
        return ok("metadata", "none is signed yet")
    ends = _ends(_signed(settings.database), now)
    if not ends:
        return ok("metadata", "none is signed yet")
    left, name = min((end / life, f"{name} in {end.days} days") for name, end, life in ends)
    said = f"the first to expire: {name}"
    if left > 1 / 3:
        return ok("metadata", said)
    return (fail if left <= 0 else warn)("metadata", said, "rollout release sign")


def _file(url: str) -> Path | None:
    """Return the file of an SQLite store, None for a database server."""
    from sqlalchemy import make_url  # noqa: PLC0415 - 0.2 s

    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def _damage(file: Path, seconds: float) -> str | None:
    """Look for damage for at most so long; None if none was seen."""
    deadline = time.monotonic() + seconds
    connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
    try:
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
        said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        return None if "interrupted" in str(error) else str(error)
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        connection.close()
    return None if said == "ok" else str(said)


def _signed(url: str) -> Sequence[tuple[str, bytes]]:
    """Return name and bytes of the Image repository's metadata; Directors renew their own while a publisher lives."""
    from sqlalchemy import select  # noqa: PLC0415 - 0.2 s
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - 0.2 s

    from rollout.adapters.store.connection import open_engine  # noqa: PLC0415 - 0.3 s
    from rollout.adapters.store.schema import metadata_file  # noqa: PLC0415 - 0.3 s

    engine = open_engine(url, writer=False)
    try:
        with engine.connect() as connection:
            rows = connection.execute(
                select(metadata_file.c.name, metadata_file.c.content).where(metadata_file.c.repository == _IMAGE)
            )
            return [(str(row.name), bytes(row.content)) for row in rows]
    except DBAPIError as error:
        raise ValueError(f"the store does not answer: {error.orig}") from error
    finally:
        engine.dispose()


def _ends(files: Sequence[tuple[str, bytes]], now: float) -> Sequence[tuple[str, timedelta, timedelta]]:
    """Return (name, time left, whole life) of the newest version of each role."""
    newest: dict[str, Mapping[str, Any]] = {}
    for _, content in files:
        signed = json.loads(content)["signed"]
        role = str(signed["_type"])
        if role in _LIFE and signed["version"] >= newest.get(role, signed)["version"]:
            newest[role] = signed
    at = datetime.fromtimestamp(now, UTC)
    return [
        (role, datetime.fromisoformat(signed["expires"]) - at, _LIFE[role]) for role, signed in sorted(newest.items())
    ]
