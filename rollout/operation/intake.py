"""Intake: a verified package becomes a stored release, for ever; and a policy likewise."""

from datetime import UTC, datetime

from policies.digest import digest
from policies.document import Policy
from rollout.errors import ConflictError
from rollout.ports.release import PolicyRecord, ReleaseRecord
from rollout.ports.store import Transaction
from rollout.release import target
from rollout.release.intake import Verified


def refuse_other(tx: Transaction, verified: Verified) -> ReleaseRecord | None:
    """The same release as stored before, None if it is new; ConflictError for other bytes under its name."""
    made = verified.manifest
    stored = tx.releases.get(made.product, made.release_counter)
    if stored is not None and stored.sha256 != verified.sha256:
        raise ConflictError(
            f"{made.product}/{made.release_counter} is stored already with other bytes (sha256 {stored.sha256}), and "
            "stays as it is for ever; give yours a higher counter",
            slug="release-exists",
        )
    return stored


def store_release(tx: Transaction, verified: Verified, person: str) -> tuple[ReleaseRecord, bool]:
    """Store a release whose bytes lie on disk; the record, and whether it is new.

    It is signed to be rolled back to, never to be installed: that takes a rollout.
    """
    stored = refuse_other(tx, verified)
    if stored is not None:
        return stored, False
    made = verified.manifest
    record = ReleaseRecord(
        product=made.product,
        counter=made.release_counter,
        sha256=verified.sha256,
        length=verified.length,
        version=made.version,
        kind=made.kind,
        floor=made.floor,
        manifest=made.document(),
        custom=target.added(made, datetime.fromtimestamp(tx.at, UTC)).to_custom(),
        added_at=tx.at,
        added_by=person,
    )
    tx.releases.add(record)
    named = {"release": f"{made.product}/{made.release_counter}", "sha256": verified.sha256}
    tx.people.record("release.added", person=person, detail=named)
    return record, True


def store_policy(tx: Transaction, policy: Policy, person: str) -> PolicyRecord:
    """Store a policy under its name and digest; ConflictError where the name is taken by another."""
    stored = tx.releases.policy(policy.name)
    record = PolicyRecord(policy.name, digest(policy), policy, tx.at, person)
    tx.releases.add_policy(record)
    if stored is None:
        tx.people.record("policy.added", person=person, detail={"policy": policy.name, "digest": record.digest})
    return record
