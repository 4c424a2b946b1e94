"""Publishing: the signed metadata follows the store, by itself.

What a repository should carry is computed from releases, maps and rollouts; where that is not what was last
signed, the next version is signed and stored in the same transaction. So an install is signed only while its
rollout goes forward, a stop turns into `hold` or `rollback` without anybody's help, and publishing twice
changes nothing. Files are copies of the stored rows (operation/publisher.py).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from rollout.decision import BEGUN, FORWARD, State
from rollout.directive.facts import Target, split
from rollout.directive.refusal import RefusedError
from rollout.errors import NotFoundError
from rollout.operation.publish_back import WaysBack
from rollout.ports.publication import RepositoryRecord
from rollout.ports.rollout import RingRecord, RolloutRecord
from rollout.ports.signing import Signed, Signer
from rollout.ports.store import Transaction
from rollout.publication import forward, numbered, rollback, wanted
from rollout.release.target import path

IMAGE = "image"
NORMAL_LEASE = timedelta(minutes=10)
LEASES = (timedelta(seconds=5), timedelta(minutes=30))
IMAGE_RENEW_SECONDS = 30 * 86_400.0  # a third of the 90 days that its timestamp lives

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sight:
    """What only a loop that lives knows: for how long each rollout has been blind, 0 where it sees.

    Seconds of the loop's own clock; a rollout that is missing was not looked at: nothing changes by that alone.
    """

    blind_for: dict[str, float] = field(default_factory=dict)
    back: WaysBack = field(default_factory=WaysBack)


def director(ring: str) -> str:
    """The repository's name of a ring's Director."""
    return f"director/{ring}"


def rings(tx: Transaction) -> list[str]:
    """Every ring that any stored rollout ever named."""
    return sorted({ring.name for record in tx.rollouts.all() for ring in record.policy.rings})


def lease(tx: Transaction, ring: str) -> timedelta:
    """The smallest lease of the ring's open rollouts, from 5 s to 30 min."""
    named = [r.policy.lease for r in tx.rollouts.opened() if any(ring == each.name for each in r.policy.rings)]
    return max(LEASES[0], min(LEASES[1], min(named, default=NORMAL_LEASE)))


def newest_files(tx: Transaction, record: RepositoryRecord) -> dict[str, bytes]:
    """What a client of a repository reads: every root, and the newest file of each other role."""
    versions = record.versions
    names = [f"{number}.root.json" for number in range(1, versions["root"] + 1)]
    names += [f"{versions['targets']}.targets.json", f"{versions['snapshot']}.snapshot.json", "timestamp.json"]
    found = {name: tx.publications.file(record.name, name) for name in names}
    return {name: content for name, content in found.items() if content is not None}


def sync_image(tx: Transaction, signer: Signer) -> bool:
    """Make the Image repository list every release, newest map and Director root; whether anything was signed.

    Directors that do not exist yet are made first: their roots are targets here before anybody asks for them.
    """
    for ring in rings(tx):
        if tx.publications.repository(director(ring)) is None:
            _store(tx, director(ring), None, signer.first_director(ring, lease(tx, ring), _now(tx)), {})
    if not signer.signs_image:
        return False
    record = tx.publications.repository(IMAGE)
    if record is None:
        record = _store(tx, IMAGE, None, signer.first_image(_now(tx)), {})
    files = newest_files(tx, record)
    signed = signer.targets(files)
    missing = [target for target in _image_targets(tx, signer) if signed.get(target.path) != target]
    near = min(record.expires["timestamp"], record.expires["snapshot"]) - tx.at < IMAGE_RENEW_SECONDS
    if missing or near:
        _store(tx, IMAGE, record, signer.next_image(files, missing, _now(tx)), {})
    return bool(missing or near)


def sync_ring(tx: Transaction, signer: Signer, ring: str, sight: Sight | None = None) -> int:
    """Make a ring's Director carry what the rollouts ask for now; its targets version.

    Args:
        tx: the write transaction in which the rollouts' states are read.
        signer: the ring's keys.
        ring: whose Director; it exists (`sync_image`).
        sight: of the loop that owns the ring's lease; None for anybody else, who turns nothing blind.
    """
    record = _stored(tx, director(ring))
    image = image_targets(tx, signer)
    targets, refused = _wanted(tx, record, ring, image, sight or Sight())
    directives: dict[str, Any] = {target.path: target.custom for target in targets}
    version = record.versions["targets"]
    if directives != dict(record.directives):
        before = newest_files(tx, record)
        step = signer.next_director(before, ring, targets, lease(tx, ring), _now(tx))
        version = _store(tx, record.name, record, step, directives).versions["targets"]
        for error in refused:
            log.warning("a directive is not signed", extra={"ring": ring, "code": error.code, "error": str(error)})
    for custom in directives.values():
        if custom["action"] == "install":
            tx.rollouts.directed(custom["rollout"], ring, version)
    return version


def renew_ring(tx: Transaction, signer: Signer, ring: str) -> None:
    """Sign a new timestamp for the directives as they are."""
    record = _stored(tx, director(ring))
    step = signer.renew_director(newest_files(tx, record), ring, lease(tx, ring), _now(tx))
    _store(tx, record.name, record, step, record.directives)


def unsigned_stop(tx: Transaction) -> bool:
    """Whether a Director still says `install` of what is stopped, or none says the way back of what rolls back."""
    said = {
        (custom["rollout"], custom["action"])
        for record in tx.publications.repositories()
        for custom in record.directives.values()
    }
    return any(
        ((record.id, "install") in said and record.state not in (*FORWARD, State.COMPLETED))
        or (record.state == State.ROLLING_BACK and (record.id, "rollback") not in said)
        for record in tx.rollouts.all()
    )


def image_targets(tx: Transaction, signer: Signer) -> Mapping[str, Target]:
    """The targets of the Image repository as signed; none before it exists."""
    record = tx.publications.repository(IMAGE)
    return {} if record is None else signer.targets(newest_files(tx, record))


def _image_targets(tx: Transaction, signer: Signer) -> list[Target]:
    targets = [
        Target(path(r.product, r.counter, r.sha256), r.length, {"sha256": r.sha256}, dict(r.custom))
        for r in tx.releases.all()
    ]
    targets += [signer.ring_map(ring_map)[0] for ring_map in tx.publications.ring_maps().values()]
    for ring in rings(tx):
        root = tx.publications.file(director(ring), "1.root.json")
        targets += [signer.director_root(ring, root)] if root is not None else []
    return targets


def _wanted(
    tx: Transaction, record: RepositoryRecord, ring: str, image: Mapping[str, Target], sight: Sight
) -> tuple[tuple[Target, ...], tuple[RefusedError, ...]]:
    """The directives a ring should carry now, with their epochs; and why others, that it should, cannot be signed."""
    records = tx.rollouts.all()
    releases = {(p.product, p.release_counter): t for t in image.values() if (p := split(t.path)) is not None}
    now = _now(tx)
    forwards = []
    for rollout in {each.product: each for each in reversed(records)}.values():
        place = next((r for r in tx.rollouts.rings(rollout.id) if r.name == ring), None)
        target = releases.get((rollout.product, rollout.counter))
        if target is not None and place is not None and _has_begun(rollout, place):
            going = _goes(rollout, place, _action(record, rollout), sight)
            forwards.append(forward(target, rollout.id, rollout.salt, ring, now, going=going))
    backs = [
        rollback(target, way.rollout, way.salt, 0, way.withdraws)
        for product, by_ring in sorted(sight.back.of(tx, records).items())
        for way in by_ring.get(ring, ())
        if (target := releases.get((product, way.to))) is not None
    ]
    targets, refused = wanted(forwards, backs, image, ring, now)
    # Rises with every publish in any ring: hosts refuse an epoch that went back, in whichever ring they find it.
    epoch = 1 + sum(r.versions["targets"] for r in tx.publications.repositories() if r.name != IMAGE)
    return numbered(targets, record.directives, epoch), refused


def _has_begun(rollout: RolloutRecord, place: RingRecord) -> bool:
    """Whether the ring carries this rollout's directive, install or hold."""
    if rollout.state in (State.ROLLING_BACK, State.ROLLED_BACK):
        return False
    return place.directive_version is not None or (place.state in BEGUN and place.hosts > 0)


def _goes(rollout: RolloutRecord, place: RingRecord, standing: str | None, sight: Sight) -> bool:
    """Whether the directive is install rather than hold."""
    if rollout.state not in (*FORWARD, State.COMPLETED) or place.state not in BEGUN:
        return False
    if rollout.over:
        return True  # nobody judges it any more, so nobody can be blind
    blind_for = sight.blind_for.get(rollout.id)
    if standing == "hold":
        return blind_for == 0.0  # only who sees may go on; a new owner's clock has just begun
    return blind_for is None or blind_for <= rollout.policy.coverage.blind_limit.total_seconds()


def _action(record: RepositoryRecord, rollout: RolloutRecord) -> str | None:
    """What the Director says of a rollout now."""
    found = [custom["action"] for custom in record.directives.values() if custom["rollout"] == rollout.id]
    return found[0] if found else None


def _store(
    tx: Transaction, name: str, before: RepositoryRecord | None, step: Signed, directives: Mapping[str, Any]
) -> RepositoryRecord:
    """Store a step by compare-and-swap."""
    revision = 0 if before is None else before.revision
    after = RepositoryRecord(name, revision + 1, step.versions, step.issued, step.expires, directives)
    tx.publications.publish(after, step.files, revision)
    return after


def _stored(tx: Transaction, name: str) -> RepositoryRecord:
    found = tx.publications.repository(name)
    if found is None:
        raise NotFoundError(f"{name} does not exist; it comes into being with the first rollout that names its ring")
    return found


def _now(tx: Transaction) -> datetime:
    return datetime.fromtimestamp(tx.at, UTC)
