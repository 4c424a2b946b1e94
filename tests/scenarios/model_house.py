"""Where the model's worlds live: a store in one thread, keys, people, releases, and the policy they roll out by."""

import atexit
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

from policies.document import Policy
from policies.load import load
from rollout.adapters.store.core import Store
from rollout.adapters.store.migrate import migrate
from rollout.adapters.store.piece import Piece
from rollout.adapters.trust.development import ensure_development_keys
from rollout.adapters.trust.signer import FolderSigner
from rollout.ports.host import HostRecord
from rollout.ports.person import TokenRecord
from rollout.ports.release import ReleaseRecord
from rollout.ports.store import Transaction
from rollout.release.target import NO_POLICY, TargetFacts
from tests.scenarios.model_log import TRIGGERS
from tests.scenarios.promise_world import ATTRIBUTES, MANIFEST, OLD, PRODUCT, HandClock, digest_of

T = TypeVar("T")
HOSTS = 48
RELEASES = range(OLD, 13)
STARTER, APPROVERS, OTHERS = "bob", ("bob", "cat", "dan"), ("vic", "adm")
APPROVAL = {"role": "approver", "persons": 2, "timeout": "5m"}


def policy(on_unhealthy: str, *, asking: bool, lenient: bool) -> Policy:
    """Content at the speed of seconds, for 48 hosts: three rings, the first two guarded by people where `asking`.

    `lenient`: the early-life gate asks nothing, so that the others are met alone.
    """
    paces = {"first_batch": 5, "bake": {"min": "16s", "host_hours": 0, "max": "3m"}}
    guarded = {"approval": APPROVAL if asking else None}
    early_life = ("100%", "100%", None) if lenient else ("45%", "40%", None)
    sizes = (("canary", {"hosts": 8}, 5), ("early", {"hosts": 10}, 5), ("everyone", {"rest": True}, 20))
    rings = [
        {"name": name, "size": size, "budget": budget, "promote": {"early_life": limit}, **paces, **guarded}
        for (name, size, budget), limit in zip(sizes, early_life, strict=True)
    ]
    rings[-1] |= {"approval": None}
    return load(
        {
            "kind": "content",
            "name": "model",
            "heartbeat": "4s",
            "confirm": {"uptime": "8s", "overdue": "40s", "deadline": "60s"},
            "judge": {"every": "2s"},
            "coverage": {"at_least": "70%", "stale_after": "20s", "blind_limit": "30s"},
            "watch": "60s",
            "lease": "10m",
            "on_unhealthy": on_unhealthy,
            "rings": rings,
        }
    )


class Here(Store):
    """The store, its commits made by the caller's own thread: the same transactions, without a thread's wake-up each.

    A model that takes hundreds of thousands of steps would otherwise wait for the scheduler most of its time.
    """

    def _serve(self) -> None:
        """Nothing waits in the queue."""

    def write(self, work: Callable[[Transaction], T], *, stopping: bool = False) -> "Future[T]":
        future: Future[T] = Future()
        again: Piece | None = Piece(work, future, self._clock.elapsed(), stopping)
        while again is not None:
            _, again = self._serve_from(again)
        return future


@cache
def house() -> "House":
    """What the worlds of this process share."""
    return House(Path(mkdtemp(prefix="rollout-model-")))


class House:
    """A migrated and furnished store with its log, and keys. Each world begins by putting the store back to that.

    One open store serves all worlds of a process: opening another, with all its statements to be compiled anew,
    would cost more than a world's steps do.
    """

    def __init__(self, folder: Path) -> None:
        atexit.register(shutil.rmtree, folder)
        self.folder, self.clock = folder, HandClock()
        migrate(f"sqlite:///{folder / 'store.db'}")
        ensure_development_keys(folder / "keys")
        self.signer = FolderSigner(folder / "keys")
        self.store = Here(f"sqlite:///{folder / 'store.db'}", self.clock)
        self.store.write(lambda tx: [tx.connection.exec_driver_sql(each) for each in TRIGGERS]).result()
        self.store.write(furnish).result()
        self._clean = sqlite3.connect(":memory:")
        with closing(sqlite3.connect(folder / "store.db")) as standing:
            standing.backup(self._clean)

    def tidy(self) -> None:
        """Put store, copies and clocks back to the beginning."""
        with closing(sqlite3.connect(self.folder / "store.db")) as standing:
            self._clean.backup(standing)
        for copies in ("metadata", "targets"):
            shutil.rmtree(self.folder / copies, ignore_errors=True)
        self.clock.__init__()


def furnish(tx: Transaction) -> None:
    """People, releases, hosts of two models."""
    for person in (*APPROVERS, *OTHERS):
        role = "approver" if person in APPROVERS else {"vic": "viewer", "adm": "admin"}[person]
        tx.people.add_token(TokenRecord(person, person, role, person.encode(), None, tx.at, "adm", tx.at + 10**9))
    at = datetime.fromtimestamp(tx.at, UTC)
    for counter in RELEASES:
        facts = TargetFacts(
            PRODUCT, f"{counter}", counter, 0, "content", ("*",), (0, 2**32 - 1), False, NO_POLICY, None, {}, at
        )
        sha256, custom = digest_of(counter), facts.to_custom()
        tx.releases.add(
            ReleaseRecord(PRODUCT, counter, sha256, 9, str(counter), "content", 0, MANIFEST, custom, tx.at, "p")
        )
    for number in range(1, HOSTS + 1):
        told = ATTRIBUTES | {"hardware": f"m{number % 2}"}
        tx.hosts.enrol(HostRecord(0, f"h-{number}", "ed25519", b"k" * 32, told, f"laptop-22631-m{number % 2}", tx.at))
