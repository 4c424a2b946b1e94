"""The next version of a role's metadata, as signed bytes; what both repositories share.

Built on `tuf.api.metadata` (python-tuf's `Repository` class is no stable interface). Nothing here knows
a database or a clock: previous bytes, facts and the time go in, files come out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from rollout.adapters.trust.keys import ROLES, KeySet, RoleKeys
from rollout.adapters.trust.tuf import Key, Metadata, MetaFile, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from rollout.adapters.trust.tuf import Role as TufRole
from rollout.directive.facts import Target
from rollout.errors import DamagedError

YEAR = timedelta(days=365)
QUARTER = timedelta(days=90)

Part = TypeVar("Part", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True, slots=True)
class Publication:
    """The files of one step (only the new ones), and where the repository then stands.

    `expires` in unix seconds. `issued`, in unix seconds, is 0 for the Image repository, which has none.
    """

    files: Mapping[str, bytes]
    versions: Mapping[str, int]
    expires: Mapping[str, float]
    issued: float = 0.0


def sign(part: Part, keys: RoleKeys) -> bytes:
    """Signed bytes of a part, by as many keys as its role asks (the canonical form is computed once)."""
    metadata = Metadata(part)
    payload = metadata.signed_bytes
    for signer in keys.signers[: keys.threshold]:
        signature = signer.sign(payload)
        metadata.signatures[signature.keyid] = signature
    return metadata.to_bytes()


def first_root(keys: KeySet, now: datetime, *, development: bool) -> Root:
    """Version 1 of a root that names the given keys; `x-development` marks one whose keys lie on a server."""
    listed: dict[str, Key] = {s.public_key.keyid: s.public_key for role in ROLES for s in keys.of(role).signers}
    roles = {
        role: TufRole([s.public_key.keyid for s in keys.of(role).signers], keys.of(role).threshold) for role in ROLES
    }
    extra = {"x-development": True} if development else {}
    return Root(1, None, now + YEAR, listed, roles, consistent_snapshot=True, unrecognized_fields=extra)


def next_root(files: Mapping[str, bytes], before: KeySet, after: KeySet, now: datetime) -> Publication:
    """The next root: the same keys for another year, or other keys. Signed by the old and by the new root keys.

    Where online keys changed, everything they signed must be signed again (`director.publish`, `image.renew`).
    """
    old = read(files, Root)
    root = first_root(after, now, development=False)
    root.version = old.version + 1
    root.unrecognized_fields = dict(old.unrecognized_fields)
    metadata = Metadata(root)
    payload = metadata.signed_bytes
    signers = [*before.root.signers[: before.root.threshold], *after.root.signers[: after.root.threshold]]
    for signer in signers:
        signature = signer.sign(payload)
        metadata.signatures[signature.keyid] = signature
    return published({f"{root.version}.root.json": metadata.to_bytes()}, files)


def targets_part(version: int, targets: Mapping[str, Target], now: datetime, extra: Mapping[str, object]) -> Targets:
    """An unsigned targets part of a year's life."""
    files = {
        target.path: TargetFile(
            target.length,
            dict(target.hashes),
            target.path,
            None if target.custom is None else {"custom": target.custom},
        )
        for target in targets.values()
    }
    return Targets(version, None, now + YEAR, files, unrecognized_fields=dict(extra))


def snapshot_part(version: int, targets_version: int, targets: bytes, expires: datetime) -> Snapshot:
    """An unsigned snapshot that pins the targets file by version, length and hash."""
    return Snapshot(version, None, expires, {"targets.json": MetaFile.from_data(targets_version, targets, ["sha256"])})


def timestamp_part(
    version: int, snapshot_version: int, snapshot: bytes, expires: datetime, extra: Mapping[str, object]
) -> Timestamp:
    """An unsigned timestamp that pins the snapshot by version, length and hash."""
    pinned = MetaFile.from_data(snapshot_version, snapshot, ["sha256"])
    return Timestamp(version, None, expires, pinned, dict(extra))


def newest(files: Mapping[str, bytes], role: str) -> bytes:
    """The newest file of a role; DamagedError without one."""
    if role == "timestamp" and "timestamp.json" in files:
        return files["timestamp.json"]
    versions = [int(name.split(".", 1)[0]) for name in files if name.endswith(f".{role}.json")]
    if not versions:
        raise DamagedError(f"the stored metadata has no {role}; restore the store from its backup")
    return files[f"{max(versions)}.{role}.json"]


def read(files: Mapping[str, bytes], part: type[Part]) -> Part:
    """The newest part of a kind, from bytes this program signed before."""
    metadata: Metadata[Part] = Metadata.from_bytes(newest(files, part.type))
    return metadata.signed


def stored_targets(files: Mapping[str, bytes]) -> dict[str, Target]:
    """The targets of the newest targets file, by path."""
    return targets_of(read(files, Targets))


def targets_of(part: Targets) -> dict[str, Target]:
    """The targets of a parsed part, by path."""
    return {path: Target(path, file.length, file.hashes, file.custom) for path, file in part.targets.items()}


def published(fresh: Mapping[str, bytes], before: Mapping[str, bytes], issued: float = 0.0) -> Publication:
    """What a step made, with versions and expiries of the whole repository after it."""
    files = {**before, **fresh}
    parts: list[Signed] = [read(files, Root), read(files, Timestamp), read(files, Snapshot), read(files, Targets)]
    return Publication(
        dict(fresh),
        {part.type: part.version for part in parts},
        {part.type: part.expires.timestamp() for part in parts},
        issued,
    )


def whole_seconds(moment: datetime) -> datetime:
    """The moment in UTC, cut to whole seconds: metadata knows no smaller unit."""
    return moment.astimezone(UTC).replace(microsecond=0)
