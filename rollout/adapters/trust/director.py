"""A ring's Director: one flat repository whose online key says what hosts of this ring do now.

A lease is the timestamp's expiry. Renewing it signs a new timestamp only, so a host downloads one small
file, and the targets version, by which admission knows a directive, stays.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from rollout.adapters.trust.keys import KeySet
from rollout.adapters.trust.metadata import (
    YEAR,
    Publication,
    first_root,
    newest,
    published,
    read,
    sign,
    snapshot_part,
    stored_targets,
    targets_part,
    timestamp_part,
    whole_seconds,
)
from rollout.adapters.trust.tuf import Snapshot, Targets, Timestamp
from rollout.directive.facts import Target
from rollout.directive.lease import issue_time

# A year's metadata is signed again when a third of its life is left.
RENEW_BEFORE = YEAR / 3


def first(
    ring: str, targets: Iterable[Target], lease: timedelta, keys: KeySet, now: datetime, *, development: bool
) -> Publication:
    """A new Director with these directives."""
    root = sign(first_root(keys, now, development=development), keys.root)
    return _signed({"1.root.json": root}, ring, tuple(targets), lease, keys, now)


def publish(
    files: Mapping[str, bytes], ring: str, targets: Iterable[Target], lease: timedelta, keys: KeySet, now: datetime
) -> Publication:
    """The next version, whose directives are exactly `targets`."""
    return _signed(files, ring, tuple(targets), lease, keys, now)


def renew(files: Mapping[str, bytes], ring: str, lease: timedelta, keys: KeySet, now: datetime) -> Publication:
    """A new timestamp for the same directives; everything anew where a year's metadata nears its end."""
    shortest = min(read(files, Snapshot).expires, read(files, Targets).expires)
    if shortest - now < RENEW_BEFORE:
        return publish(files, ring, stored_targets(files).values(), lease, keys, now)
    timestamp, issued = _timestamp(files, ring, read(files, Snapshot).version, newest(files, "snapshot"), lease, now)
    return published({"timestamp.json": sign(timestamp, keys.timestamp)}, files, issued.timestamp())


def last_issued(files: Mapping[str, bytes]) -> datetime:
    """The newest `x-issued` this Director has signed."""
    return issue_time(read(files, Timestamp).unrecognized_fields.get("x-issued"))


def _signed(
    before: Mapping[str, bytes], ring: str, targets: tuple[Target, ...], lease: timedelta, keys: KeySet, now: datetime
) -> Publication:
    new = "timestamp.json" not in before
    targets_version, snapshot_version = (
        (1, 1) if new else (read(before, Targets).version + 1, read(before, Snapshot).version + 1)
    )
    moment = whole_seconds(now)
    part = targets_part(targets_version, {t.path: t for t in targets}, moment, {"x-ring": ring})
    targets_bytes = sign(part, keys.targets)
    snapshot = sign(snapshot_part(snapshot_version, targets_version, targets_bytes, moment + YEAR), keys.snapshot)
    timestamp, issued = _timestamp(before, ring, snapshot_version, snapshot, lease, now)
    fresh = {
        f"{targets_version}.targets.json": targets_bytes,
        f"{snapshot_version}.snapshot.json": snapshot,
        "timestamp.json": sign(timestamp, keys.timestamp),
    }
    return published({**(before if new else {}), **fresh}, before, issued.timestamp())


def _timestamp(
    before: Mapping[str, bytes], ring: str, snapshot_version: int, snapshot: bytes, lease: timedelta, now: datetime
) -> tuple[Timestamp, datetime]:
    version, issued = 1, whole_seconds(now)
    if "timestamp.json" in before:
        # A clock set back must not issue metadata older than what hosts have seen: they would refuse it.
        version, issued = read(before, Timestamp).version + 1, max(issued, last_issued(before))
    extra = {"x-ring": ring, "x-issued": issued.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    return timestamp_part(version, snapshot_version, snapshot, issued + lease, extra), issued
