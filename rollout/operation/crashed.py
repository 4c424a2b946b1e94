"""Crash reports: each is kept once, and a bugcheck is told to the watch and fails what it concerns."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from rollout import telemetry
from rollout.crash.identity import ImageIdentity
from rollout.event import EventKind
from rollout.evidence.fleet import SEVEN_DAYS
from rollout.operation.record import Memory, Refused
from rollout.ports.adoption import Adoption
from rollout.ports.host import StoredCrash
from rollout.ports.store import Transaction
from rollout.telemetry import CrashReport, Presence

SET_BACK_SECONDS = 1.0  # the store's time so far ahead of the clock: it was set back, and did not merely tremble


@dataclass(frozen=True, slots=True)
class Row:
    """One report; None from a collector.

    `public_key`: the key it was verified with. `signed_at`: its signature's time, unix seconds by the host's clock.
    """

    report: CrashReport
    public_key: bytes | None = None
    signed_at: float | None = None


class Scene:
    """What crashes are judged by, read when the first one asks."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def begun_after(self, crashed_at: float) -> list[str]:
        """Return the judged rollouts that began within seven days after a crash."""
        return [name for name, began in self._began if began - SEVEN_DAYS <= crashed_at < began]

    @cached_property
    def _began(self) -> Sequence[tuple[str, float]]:
        return [(each.id, each.started_at) for each in self._tx.rollouts.judged()]

    @cached_property
    def images(self) -> Mapping[str, Collection[ImageIdentity]]:
        """Every build of every stored release, by product."""
        found: dict[str, set[ImageIdentity]] = {}
        for release in self._tx.releases.all():
            builds = {ImageIdentity(**build) for build in release.manifest.get("builds", ())}
            found.setdefault(release.product, set()).update(builds)
        return found


def crashes(tx: Transaction, rows: Sequence[Row], memory: Memory) -> list[Refused | None]:
    """Record reports in the order given; None where taken, known reports included."""
    known = memory.find(tx, {row.report.host for row in rows})
    keys = sorted({known[row.report.host] for row in rows if row.report.host in known})
    stored, spoken, scene = tx.hosts.credentials(keys), tx.hosts.presence(keys), Scene(tx)
    answers: list[Refused | None] = []
    for row in rows:
        key = known.get(row.report.host)
        if key is None or key not in stored:
            answers.append(Refused.UNKNOWN)
        elif row.public_key is not None and row.public_key != stored[key]:
            answers.append(Refused.STRANGER)
        else:
            _take(tx, key, row, spoken.get(key), scene)
            answers.append(None)
    return answers


def _take(tx: Transaction, key: int, row: Row, spoken: Presence | None, scene: Scene) -> None:
    report = row.report
    crashed_at = _dated(tx, row)
    body = msgspec.to_builtins(report)
    if not tx.hosts.keep_crash(StoredCrash(key, report.report, report.kind, crashed_at, body)):
        return
    if report.kind != "bugcheck":
        return
    adoptions = tx.adoptions.of_host(key)
    before = [each for each in adoptions if _came_before(report, crashed_at, each, spoken)]
    detail: dict[str, object] = {
        "report": report.report,
        "own": telemetry.own_products(report, scene.images) if report.module else [],
        "before": [each.rollout for each in before],
    }
    if earlier := scene.begun_after(crashed_at):
        detail["earlier"] = earlier
    if report.uptime is not None:
        detail["uptime"] = report.uptime
    tx.events.append(EventKind.CRASHED, key, detail=detail)
    for adoption in adoptions:
        if adoption.state == "open" and adoption not in before:
            tx.adoptions.fail(adoption, "crash")


def _dated(tx: Transaction, row: Row) -> float:
    """When it crashed; while the clock is behind the store's time nothing can be dated: as late as its report then."""
    if tx.at - tx.now > SET_BACK_SECONDS:
        return tx.at
    return telemetry.crash_time(row.report, tx.now, row.signed_at)


def _came_before(report: CrashReport, crashed_at: float, adoption: Adoption, spoken: Presence | None) -> bool:
    boots = {adoption.boot, *adoption.boots}
    if spoken is not None and spoken.at >= adoption.granted_at:
        boots.add(spoken.boot)
    return telemetry.is_before(crashed_at, report.boot, adoption.granted_at, boots)
