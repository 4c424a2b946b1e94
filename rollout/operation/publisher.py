"""The publisher: a loop of the worker process that keeps signed metadata and its copies true to the store.

A ring's lease is owned by the row `lease/<ring>` (owner, epoch, counter): its owner turns what is stopped or blind
into `hold`, and renews the timestamp in every state. Who finds a counter that has not moved for 5 s of its own
clock takes over. Nobody needs to own anything to publish once (`publish_now`): what is signed follows from the
store alone, and a copy never replaces a newer one.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from rollout.errors import BusyError, RolloutError, StaleOwnerError
from rollout.operation.copier import Copier
from rollout.operation.freshness import Freshness
from rollout.operation.publish import (
    IMAGE,
    Sight,
    director,
    lease,
    renew_ring,
    rings,
    sync_image,
    sync_ring,
    unsigned_stop,
)
from rollout.operation.publish_sight import Sights
from rollout.ports.clock import Clock
from rollout.ports.rollout import RolloutRecord
from rollout.ports.signing import Copies, Signer
from rollout.ports.store import Store, Transaction

POLL_SECONDS = 0.025
ROUND_SECONDS = 1.0
TAKE_OVER_SECONDS = 5.0
RENEW_SECONDS = 60.0
BACK_SECONDS = 10.0  # how often the hosts that ways back wait for are counted anew
LEASE_LOOP = "lease-loop"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Lease:
    """A ring we own; `renewed` on our own clock, `shortest` lease that may have been signed since: seconds."""

    epoch: int
    renewed: float = float("-inf")
    shortest: float = float("inf")


@dataclass(slots=True)
class Publisher:
    """What one worker publishes."""

    store: Store
    clock: Clock
    signer: Signer
    copies: Copies
    owner: str
    fresh: Freshness = field(default_factory=Freshness)
    owned: dict[str, _Lease] = field(default_factory=dict)
    sights: Sights = field(default_factory=Sights)
    _sight: Sight = field(default_factory=Sight)
    _stopping: bool = False  # a stop or a way back is not signed yet: worth the disk's last room
    _counted: float = float("-inf")
    copier: Copier = field(init=False)

    def __post_init__(self) -> None:
        self.copier = Copier(self.store, self.clock, self.signer, self.copies)

    def ages(self) -> dict[str, float]:
        """Seconds since the lease of each ring that we own was last renewed; infinite before the first time."""
        now = self.clock.elapsed()
        return {ring: now - lease.renewed for ring, lease in dict(self.owned).items()}

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`; a round that fails is logged and tried again."""
        version, standing, round_at = -1, None, float("-inf")
        while not stop.is_set():
            try:
                seen, now = await asyncio.to_thread(self.store.version), self.clock.elapsed()
                due = now - round_at >= ROUND_SECONDS
                if seen != version or due:
                    version = seen
                    found = await asyncio.to_thread(self.store.read, _standing)
                    if found != standing or due:
                        round_at = now
                        await asyncio.to_thread(self.round)
                        standing = found
            except RolloutError as error:
                log.warning("publisher round failed", extra={"error": str(error)})
            except Exception:
                log.exception("publisher round failed unexpectedly; it is tried again")
            await asyncio.sleep(POLL_SECONDS)

    def round(self) -> None:
        """Own what nobody owns, sign what changed, renew what is due, copy what is new."""
        now = self.clock.elapsed()
        self._look(now)
        changed = self.store.write(self._begin, stopping=self._stopping).result()
        self._own(now)
        listed = sorted(self.owned)
        works = [(ring, partial(self._publish, ring=ring, now=now)) for ring in listed]
        futures = [(ring, self.store.write(work, stopping=self._stopping)) for ring, work in works]
        for ring, future in futures:
            try:
                self.owned[ring] = future.result()
            except StaleOwnerError:
                self.owned.pop(ring, None)
                log.warning("another worker renews now", extra={"ring": ring})
            except RolloutError as error:
                # One ring whose key is gone must not keep the others from being stopped.
                log.exception("a ring is not published", extra={"ring": ring, "error": str(error)})
        self.copier.copy()
        if changed:
            log.info("image published")

    def publish_now(self, ring: str) -> None:
        """Sign and copy what the store asks for in one ring; done on return. Idempotent, owned by nobody.

        BusyError where another publisher keeps the lock: it is signed, and is copied as soon as that one lets go.
        """
        self.store.write(partial(self._publish_once, ring=ring)).result()
        if left := self.copier.copy([IMAGE, director(ring)]):
            raise BusyError(f"{' and '.join(left)}: signed, and not copied yet; another publisher holds the lock")

    def _look(self, now: float) -> None:
        """See who moves and who is blind, and count who waits for a way back: on a snapshot, not while writing."""
        judged, leases, self._stopping = self.store.read(
            lambda tx: (self.sights.look(tx, now), tx.beacons.all("lease/"), unsigned_stop(tx))
        )
        for name, (_, _, counter) in leases.items():
            self.fresh.observe(name, counter, now)
        self._sight.blind_for = judged
        if now - self._counted >= BACK_SECONDS:
            self._counted = now
            self.store.read(lambda tx: self._sight.back.refresh(tx, tx.rollouts.all()))
        else:
            self.store.read(lambda tx: self._sight.back.of(tx, tx.rollouts.all()))

    def _begin(self, tx: Transaction) -> bool:
        tx.beacons.move(LEASE_LOOP, self.owner)
        return self._sync_image(tx)

    def _publish_once(self, tx: Transaction, ring: str) -> None:
        self._sync_image(tx)
        sync_ring(tx, self.signer, ring, Sight(back=self._sight.back))

    def _sync_image(self, tx: Transaction) -> bool:
        """The Image; and, where it changed, every Director in the same transaction: both must say the same."""
        changed = sync_image(tx, self.signer)
        if changed:
            for ring in rings(tx):
                sync_ring(tx, self.signer, ring, Sight(back=self._sight.back))
        return changed

    def _own(self, now: float) -> None:
        """Take the leases that nobody moves."""
        names, beacons = self.store.read(lambda tx: (rings(tx), tx.beacons.all("lease/")))
        for ring in names:
            if ring in self.owned or not self._abandoned(ring, beacons, now):
                continue
            name, expected = f"lease/{ring}", beacons.get(f"lease/{ring}", ("", 0, 0))[1]
            taking = self.store.write(partial(self._take, name=name, expected=expected), stopping=self._stopping)
            epoch = taking.result()
            if epoch is not None:
                self.owned[ring] = _Lease(epoch)
                log.info("renewing", extra={"ring": ring, "epoch": epoch})

    def _take(self, tx: Transaction, name: str, expected: int) -> int | None:
        return tx.beacons.take(name, self.owner, expected)

    def _abandoned(self, ring: str, beacons: Mapping[str, Any], now: float) -> bool:
        name = f"lease/{ring}"
        return name not in beacons or self.fresh.still(name, now) >= TAKE_OVER_SECONDS

    def _publish(self, tx: Transaction, ring: str, now: float) -> _Lease:
        """One owned ring; how its lease stands then. StaleOwnerError: not ours any more.

        A rollout that ends takes its short lease with it, but what is signed is still short: it is renewed in its time.
        """
        mine, seconds = self.owned[ring], lease(tx, ring).total_seconds()
        tx.beacons.hold(f"lease/{ring}", mine.epoch)
        sync_ring(tx, self.signer, ring, self._sight)
        shortest = min(mine.shortest, seconds)
        if now - mine.renewed < min(RENEW_SECONDS, shortest / 5):
            return replace(mine, shortest=shortest)
        renew_ring(tx, self.signer, ring)
        return replace(mine, renewed=now, shortest=seconds)


def _standing(tx: Transaction) -> Mapping[str, tuple[str, tuple[tuple[str, str], ...]]]:
    """What a commit must have changed for a round to be due at once."""
    return {record.id: (record.state, _places(tx, record)) for record in tx.rollouts.judged()}


def _places(tx: Transaction, record: RolloutRecord) -> tuple[tuple[str, str], ...]:
    return tuple((ring.name, ring.state) for ring in tx.rollouts.rings(record.id))
