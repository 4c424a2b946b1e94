"""A real store, real keys and copies served over loopback, checked by a real host; tests then move the rollouts."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from policies.profiles import profile
from rollout.adapters.store.migrate import migrate, open_store
from rollout.adapters.trust.copies import FolderCopies
from rollout.adapters.trust.development import ensure_development_keys
from rollout.adapters.trust.signer import FolderSigner
from rollout.host.check import check
from rollout.operation.publisher import Publisher
from rollout.ports.adoption import Adoption
from rollout.ports.host import HostRecord
from rollout.ports.judging import StoredJudgement
from rollout.ports.release import ReleaseRecord
from rollout.ports.rollout import Member, RingRecord, RolloutRecord
from rollout.release.target import NO_POLICY, Step, TargetFacts
from rollout.ringmap import RingMap

DEMO = profile("demo")
RINGS = tuple(ring.name for ring in DEMO.rings)
CANARY = RINGS[0]
EVERY = 10**9 // len(RINGS)


class HandClock:
    """A clock that moves when told; `wall` may jump."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0
        self.jumped = 0.0

    def now(self) -> float:
        return self.at + self.jumped

    def elapsed(self) -> float:
        return self.at - 1_700_000_000.0


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class World:
    """One product, the demo policy's rings, and whatever publishers a test starts."""

    def __init__(self, folder: Path, clock: HandClock) -> None:
        self.data, self.clock = folder / "data", clock
        (self.data / "metadata").mkdir(parents=True)
        ensure_development_keys(self.data / "keys")
        url = f"sqlite:///{self.data / 'store.db'}"
        migrate(url)
        self.store = open_store(url, clock)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(self.data / "metadata")))
        self.server.daemon_threads = True
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        self.judged: dict[str, int] = {}
        self.hosts: dict[str, int] = {}

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.store.close()

    def publisher(self, owner: str = "w1") -> Publisher:
        return Publisher(self.store, self.clock, FolderSigner(self.data / "keys"), FolderCopies(self.data), owner)

    def write(self, work):
        return self.store.write(work).result()

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def release(self, counter: int) -> None:
        """As added by intake: to be gone back to, never to be installed."""
        facts = TargetFacts(
            "edr", f"1.{counter}", counter, 0, "content", ("*",), (0, 2**32 - 1), False, NO_POLICY, None, {}, self.now
        )
        sha = f"{counter:064x}"
        record = ReleaseRecord(
            "edr", counter, sha, 1000, f"1.{counter}", "content", 0, {}, facts.to_custom(), 1.0, "ann"
        )
        self.write(lambda tx: tx.releases.add(record))

    def warrant(self, counter: int, ceiling: int = 10_000, days: float = 30) -> None:
        """As signed again when its rollout starts."""

        def work(tx):
            facts = TargetFacts.from_custom(tx.releases.get("edr", counter).custom)
            steps = {ring: (Step(self.now - timedelta(hours=1), ceiling),) for ring in RINGS}
            custom = facts.warranted("ab" * 32, steps, self.now + timedelta(days=days)).to_custom()
            tx.releases.sign("edr", counter, custom)

        self.write(work)

    def map(self, n: int = 1) -> RingMap:
        ends = [*range(EVERY, EVERY * len(RINGS), EVERY), 10**9]
        return RingMap(
            "edr", n, f"m{n}", tuple((r, lo, hi) for r, lo, hi in zip(RINGS, [0, *ends], ends, strict=False)), {}
        )

    def host(self, ring: str = CANARY, number: int = 0) -> str:
        """The name of the `number`-th host that the map puts into a ring."""
        names = (f"h-{i}" for i in range(10_000))
        return [name for name in (next(names) for _ in range(400)) if self.map().ring_of(name) == ring][number]

    def start(self, rollout: str, counter: int, number: int = 1, lease: float = 60.0) -> None:
        """A planned rollout: warranted release, map, rings that wait."""
        self.warrant(counter)
        policy = DEMO.model_copy(update={"lease": timedelta(seconds=lease)})

        def work(tx):
            if tx.publications.ring_map("edr") is None:
                tx.publications.add_ring_map(self.map())
            tx.rollouts.create(
                RolloutRecord(
                    rollout, number, "edr", counter, policy, "ab" * 32, "running", tx.at, False, "ann", "try", tx.at,
                    1, "s", ("desktop",), 0, 0, 0, None, None, False,
                ),
                [RingRecord(rollout, i, name, "waiting", tx.at, 5, 0, None) for i, name in enumerate(RINGS)],
            )  # fmt: skip

        self.write(work)
        self.see(rollout)

    def open(self, rollout: str, ring: str = CANARY) -> None:
        self.write(lambda tx: tx.rollouts.move_ring(rollout, ring, "admitting", ("waiting",)))

    def move(self, rollout: str, state: str) -> None:
        anything = ("awaiting-approval", "running", "paused", "held", "halted", "rolling-back", "completed", "rejected")
        assert self.write(lambda tx: tx.rollouts.move(rollout, state, anything))

    def see(self, rollout: str, verdict: str = "healthy") -> None:
        """The watch judged again."""
        count = self.judged[rollout] = self.judged.get(rollout, 0) + 1
        judged = StoredJudgement(rollout, count, 1.0, 0, 0, 0, verdict, 5, {}, False, {})
        self.write(lambda tx: tx.judging.save(judged))

    def adopt(self, rollout: str, counter: int, name: str, baseline: int | None) -> str:
        """A host was let go; what it ran before is known since the rollout began."""

        def work(tx):
            key = self.hosts.get(name) or tx.hosts.enrol(
                HostRecord(0, name, "ed25519", b"k" * 32, {}, "desktop", tx.at)
            )
            self.hosts[name] = key
            ring = self.map().ring_of(name)
            tx.rollouts.enlist(rollout, [Member(key, ring, "desktop", baseline, True, True)])
            one = Adoption(
                f"{rollout}-{name}", rollout, key, "edr", counter, ring, "desktop", 0, "open", None, False, True,
                tx.at, "b", 1,
            )  # fmt: skip
            tx.adoptions.grant(one)
            return one.id

        return self.write(work)

    def back(self, adoption: str) -> None:
        self.write(lambda tx: tx.adoptions.mark_rolled_back(tx.adoptions.get(adoption)))

    def record(self, ring: str = CANARY):
        return self.store.read(lambda tx: tx.publications.repository(f"director/{ring}"))

    def files(self, name: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.data / "metadata" / name).glob("*.json")}

    def check(self, name: str | None = None, ring: str = CANARY, installed: int = 4, later: float = 0.0):
        """The real host check, by HTTP; each host keeps its state directory between checks."""
        name = name or self.host(ring)
        state = self.data.parent / name
        state.mkdir(exist_ok=True)
        (state / "host.json").write_text(
            json.dumps({"host": name, "hardware": "x", "os_build": 22631, "installed": {"edr": installed}})
        )
        (state / "image-root.json").write_bytes(self.files("image")["1.root.json"])
        (state / "director-root.json").write_bytes(self.files(f"director/{ring}")["1.root.json"])
        url = f"http://127.0.0.1:{self.server.server_port}/"
        now = self.now + timedelta(seconds=later)
        return check(state, f"{url}director/{ring}/", f"{url}image/", ring, now)

    def told(self, name: str | None = None, ring: str = CANARY, installed: int = 4):
        """What the check answers: (action, counter, selected) of each directive, or the refusal's code."""
        found = self.check(name, ring, installed)
        if found.refused is not None:
            return f"{found.refused}: {found.detail}"
        return [(d["action"], d["release_counter"], d["selected"]) for d in (x.to_json() for x in found.directives)]
