"""The store's tables. Times (`at`, `*_at`) are unix seconds, UTC, stamped by the store's own clock.

Integer host keys keep the hot rows narrow; everything else speaks ids. Who writes what:
gateway: host, presence, running, beat_log, crash, event, adoption, tally. Watch: event (dark, overdue,
expired, resolved), adoption, tally, evidence, judgement, tick, rollout.state on a stop. Publisher: repository,
metadata_file, ring.directive_version. API and workflows: the rest. Only the audit table is written by all.
"""

from rollout.adapters.store.schema.catalogue import Key, metadata
from rollout.adapters.store.schema.course import adoption, freeze, member, policy, release, ring, rollout, tally
from rollout.adapters.store.schema.fleet import beat_log, crash, event, host, presence, running
from rollout.adapters.store.schema.judged import beacon, evidence, judgement, tick, watch
from rollout.adapters.store.schema.person import audit, keyed_request, store_clock, token, vote
from rollout.adapters.store.schema.signed import metadata_file, repository, ring_map

__all__ = [
    "Key",
    "adoption",
    "audit",
    "beacon",
    "beat_log",
    "crash",
    "event",
    "evidence",
    "freeze",
    "host",
    "judgement",
    "keyed_request",
    "member",
    "metadata",
    "metadata_file",
    "policy",
    "presence",
    "release",
    "repository",
    "ring",
    "ring_map",
    "rollout",
    "running",
    "store_clock",
    "tally",
    "tick",
    "token",
    "vote",
    "watch",
]
