"""The Image repository: releases, ring maps and Director roots, under offline keys.

Targets and root live a year, snapshot and timestamp 90 days. A target is replaced (a release is signed
again with its warrant), never removed: a host must find the floor of whatever it still runs.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from rollout.adapters.trust.keys import KeySet
from rollout.adapters.trust.metadata import (
    QUARTER,
    Publication,
    first_root,
    published,
    read,
    sign,
    snapshot_part,
    stored_targets,
    targets_part,
    timestamp_part,
    whole_seconds,
)
from rollout.adapters.trust.tuf import Root, Snapshot, Targets, Timestamp
from rollout.directive.facts import Target
from rollout.release.target import TargetFacts, path
from rollout.ringmap import RingMap


def first(keys: KeySet, now: datetime, *, development: bool) -> Publication:
    """A new, empty repository."""
    root = sign(first_root(keys, now, development=development), keys.root)
    return _signed({"1.root.json": root}, {}, keys, now, (1, 1, 1))


def publish(files: Mapping[str, bytes], targets: Iterable[Target], keys: KeySet, now: datetime) -> Publication:
    """The next version with `targets` added, or put in place of those of the same path."""
    merged = {**stored_targets(files), **{target.path: target for target in targets}}
    versions = (read(files, Targets).version + 1, read(files, Snapshot).version + 1, read(files, Timestamp).version + 1)
    return _signed(dict(files), merged, keys, now, versions)


def renew(files: Mapping[str, bytes], keys: KeySet, now: datetime) -> Publication:
    """The same content, for another 90 days (targets: a year)."""
    return publish(files, (), keys, now)


def development(files: Mapping[str, bytes]) -> bool:
    """Does the root say that its keys are development keys?"""
    return read(files, Root).unrecognized_fields.get("x-development") is True


def release_target(release: TargetFacts, sha256: str, length: int) -> Target:
    """The target of a release's package."""
    return Target(
        path(release.product, release.release_counter, sha256), length, {"sha256": sha256}, release.to_custom()
    )


def ring_map_target(ring_map: RingMap) -> tuple[Target, bytes]:
    """The target of a ring map, and the bytes to be served under its path: the same map as JSON."""
    custom = ring_map.to_custom()
    data = json.dumps(custom, sort_keys=True, separators=(",", ":")).encode()
    return _file_target(f"rings/{ring_map.product}/{ring_map.n}.json", data, custom), data


def director_root_target(ring: str, root: bytes) -> Target:
    """The target of a Director's first root: whoever has the Image root can enrol into that ring's Director."""
    return _file_target(f"directors/{ring}/root.json", root, None)


def _file_target(path: str, data: bytes, custom: Mapping[str, object] | None) -> Target:
    return Target(path, len(data), {"sha256": hashlib.sha256(data).hexdigest()}, custom)


def _signed(
    before: Mapping[str, bytes],
    targets: Mapping[str, Target],
    keys: KeySet,
    now: datetime,
    versions: tuple[int, int, int],
) -> Publication:
    moment = whole_seconds(now)
    targets_bytes = sign(targets_part(versions[0], targets, moment, {}), keys.targets)
    snapshot = sign(snapshot_part(versions[1], versions[0], targets_bytes, moment + QUARTER), keys.snapshot)
    timestamp = sign(timestamp_part(versions[2], versions[1], snapshot, moment + QUARTER, {}), keys.timestamp)
    fresh = {
        f"{versions[0]}.targets.json": targets_bytes,
        f"{versions[1]}.snapshot.json": snapshot,
        "timestamp.json": timestamp,
    }
    root = {} if "timestamp.json" in before else before
    return published({**root, **fresh}, before)
