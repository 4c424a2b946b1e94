"""The witness: looks at the store's file and at the metadata files all the time, and remembers what may never be.

What only history shows is checked here, at each look against the one before: a stop that is undone, a judgement or a
version that goes back, an install that is signed again after a stop.
"""

import contextlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollout.adapters.clock import SystemClock
from rollout.adapters.store.transaction import Transaction
from tests.chaos.records import Records
from tests.chaos.violation import Violation

LOOK_SECONDS = 0.05
STOPPED = frozenset({"halted", "rejected", "rolling-back", "rolled-back"})
AFTER = {
    "halted": {"rolling-back", "rolled-back"},
    "rejected": {"rolling-back", "rolled-back"},
    "rolling-back": {"rolled-back"},
    "rolled-back": set(),
    "completed": {"halted", "rolling-back", "rolled-back"},
}
"""Where a rollout may be found after each of these; every other state may lead anywhere."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found. `at`: this machine's boot-time clock, seconds, before the look; actions by repository."""

    at: float
    state: str
    over: bool
    rings: tuple[tuple[str, str, int, int], ...]
    """Name, state, hosts, granted."""
    judged: Mapping[str, float]
    beacons: Mapping[str, int]
    signed: Mapping[str, int]
    says: Mapping[str, str | None]
    copied: Mapping[str, int] = field(default_factory=dict)
    tells: Mapping[str, str | None] = field(default_factory=dict)


class Witness:
    """A thread that looks at one rollout until it is closed. `last` and `violations` may be read at any time."""

    def __init__(self, records: Records, data: Path, rollout: str) -> None:
        self.last: Look | None = None
        self.looks = 0
        self.violations: list[Violation] = []
        self.stopped_at: float | None = None
        """When a stop was first seen in the store; a go that was asked for later must not be."""
        self.states: list[str] = []
        self._rollout = rollout
        self._records = records
        self._metadata = data / "metadata"
        self._clock = SystemClock()
        self._read: dict[str, int] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._closed.set()
        self._thread.join()
        self._records.close()

    def _run(self) -> None:
        while not self._closed.is_set():
            found = self._look()
            if found is not None:
                if self.last is not None:
                    self.violations += went_back(self.last, found)
                self._remember(found)
            time.sleep(LOOK_SECONDS)

    def _look(self) -> Look | None:
        at = self._clock.elapsed()
        stored = self._records.try_read(lambda tx: _stored(tx, self._rollout, at))
        if stored is None:
            return None
        copied, tells = dict(self.last.copied if self.last else {}), dict(self.last.tells if self.last else {})
        for name in stored.signed:
            with contextlib.suppress(OSError, ValueError, KeyError):
                changed = (self._metadata / name / "timestamp.json").stat().st_mtime_ns
                if self._read.get(name) != changed:
                    copied[name], tells[name] = read_copy(self._metadata / name, self._rollout)
                    self._read[name] = changed
        return Look(**{slot: getattr(stored, slot) for slot in Look.__slots__} | {"copied": copied, "tells": tells})

    def _remember(self, found: Look) -> None:
        if found.state in STOPPED and self.stopped_at is None:
            self.stopped_at = self._clock.elapsed()
        if not self.states or self.states[-1] != found.state:
            self.states.append(found.state)
        self.last, self.looks = found, self.looks + 1


def went_back(before: Look, now: Look) -> list[Violation]:
    """Return what changed between two looks and may not."""
    found = []
    if before.state != now.state and now.state not in AFTER.get(before.state, {now.state}):
        found.append(Violation("stop-undone", f"the rollout is {now.state} after {before.state}"))
    for name, value in before.judged.items():
        if now.judged.get(name, value) < value:
            found.append(
                Violation("judgement-went-back", f"{name} of the judgement is {now.judged[name]}, was {value}")
            )
    for what, was, is_ in (("signed", before.signed, now.signed), ("copied", before.copied, now.copied)):
        found += [
            Violation("metadata-went-back", f"{name}: timestamp {is_[name]} is {what}, was {version}")
            for name, version in was.items()
            if is_.get(name, version) < version
        ]
    if before.state in STOPPED:
        for what, was, is_ in (("signed", before.says, now.says), ("copied", before.tells, now.tells)):
            found += [
                Violation("install-again", f"{name}: install is {what} after {action} while {now.state}")
                for name, action in was.items()
                if action != "install" and is_.get(name) == "install"
            ]
    return found


def _stored(tx: Transaction, rollout: str, at: float) -> Look | None:
    record = tx.rollouts.get(rollout)
    if record is None:
        return None
    granted: dict[str, int] = {}
    for (ring, _), tally in tx.adoptions.tallies(rollout).items():
        granted[ring] = granted.get(ring, 0) + tally.granted
    judged = tx.judging.judgement(rollout)
    fields = ("counter", "clock", "event", "beat", "evidence")
    repositories = tx.publications.repositories()
    directors = [each for each in repositories if each.name.startswith("director/")]
    return Look(
        at=at,
        state=record.state,
        over=record.over,
        rings=tuple((r.name, r.state, r.hosts, granted.get(r.name, 0)) for r in tx.rollouts.rings(rollout)),
        judged={} if judged is None else {name: getattr(judged, name) for name in fields},
        beacons={name: counter for name, (_, _, counter) in tx.beacons.all().items()},
        signed={each.name: each.versions["timestamp"] for each in repositories},
        says={each.name: action(each.directives.values(), rollout) for each in directors},
    )


def action(customs: Any, rollout: str) -> str | None:
    """Return what a Director's directives say of a rollout: install, hold, rollback or nothing."""
    mine = sorted({custom["action"] for custom in customs if custom.get("rollout") == rollout})
    return "install" if "install" in mine else next(iter(mine), None)


def read_copy(folder: Path, rollout: str) -> tuple[int, str | None]:
    """Return the version of a repository's copied timestamp, and what the targets under it say of the rollout."""
    timestamp = _signed(folder / "timestamp.json")
    snapshot = _signed(folder / f"{timestamp['meta']['snapshot.json']['version']}.snapshot.json")
    targets = _signed(folder / f"{snapshot['meta']['targets.json']['version']}.targets.json")
    customs = [target.get("custom", {}) for target in targets["targets"].values()]
    return int(timestamp["version"]), action(customs, rollout)


def _signed(path: Path) -> dict[str, Any]:
    return json.loads(path.read_bytes())["signed"]
