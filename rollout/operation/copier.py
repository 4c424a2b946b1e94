"""The copier: files are made what the store's rows say is signed, one repository apart from the others.

A repository's lock is waited for a moment, since whoever copies needs milliseconds; a publisher that stands still with
it would keep it for ever. Its repository stays behind then, is tried again by every later copy, and holds up no other.
"""

import logging
import threading
from collections.abc import Mapping, Sequence

from rollout.errors import BusyError
from rollout.operation.publish import IMAGE, director, newest_files, rings
from rollout.ports.clock import Clock
from rollout.ports.signing import Copies, Signer
from rollout.ports.store import Store, Transaction

log = logging.getLogger(__name__)


class Copier:
    """What one process copies, and what it could not. Any thread may copy; one does at a time."""

    def __init__(self, store: Store, clock: Clock, signer: Signer, copies: Copies) -> None:
        self._store, self._clock, self._signer, self._copies = store, clock, signer, copies
        self._copied: dict[str, int] = {}
        self._behind: dict[str, float] = {}
        self._copying = threading.Lock()

    def behind(self) -> dict[str, float]:
        """For how many seconds each repository was found locked by somebody else; those that are copied not at all."""
        now = self._clock.elapsed()
        return {name: now - since for name, since in dict(self._behind).items()}

    def copy(self, names: Sequence[str] | None = None) -> Sequence[str]:
        """Copy the repositories (None: all) that changed since our last copy; those of them that stay behind.

        The Image comes before any Director. Where it is locked they do not wait for it: what it does not list yet
        hosts refuse, and a stop needs nothing of it.
        """
        with self._copying:
            stored = self._store.read(lambda tx: {r.name: r.revision for r in tx.publications.repositories()})
            changed = [name for name, revision in stored.items() if self._copied.get(name) != revision]
            asked = sorted(set(changed) & set(stored if names is None else names), key=lambda name: name != IMAGE)
            return [name for name in asked if not self._copy(name)]

    def _copy(self, name: str) -> bool:
        revision, files, targets = self._store.read(lambda tx: _to_copy(tx, self._signer, name))
        for path, content in targets.items():
            self._copies.target(path, content)
        try:
            self._copies.repository(name, files, wait=name not in self._behind)
        except BusyError as error:
            if name not in self._behind:
                log.warning("a repository is not copied", extra={"repository": name, "error": str(error)})
            self._behind.setdefault(name, self._clock.elapsed())
            return False
        self._copied[name] = revision
        if (since := self._behind.pop(name, None)) is not None:
            log.info("copied again", extra={"repository": name, "seconds_behind": self._clock.elapsed() - since})
        return True


def _to_copy(tx: Transaction, signer: Signer, name: str) -> tuple[int, Mapping[str, bytes], Mapping[str, bytes]]:
    """A repository's revision, its newest files and, of the Image, the small target files that it names."""
    record = tx.publications.repository(name)
    if record is None:
        raise AssertionError(f"{name} was stored a moment ago and rows are never deleted")
    files = newest_files(tx, record)
    if name != IMAGE:
        return record.revision, files, {}
    maps = [signer.ring_map(ring_map) for ring_map in tx.publications.ring_maps().values()]
    roots = {f"directors/{ring}/root.json": tx.publications.file(director(ring), "1.root.json") for ring in rings(tx)}
    small = {target.path: content for target, content in maps}
    return record.revision, files, small | {path: root for path, root in roots.items() if root is not None}
