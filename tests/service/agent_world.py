"""Real agents before a real gateway, with real signed metadata: one product, one ring, a judge that moves."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rollout.adapters.packages import PackageFolder
from rollout.adapters.trust import director, image
from rollout.adapters.trust.files import copy
from rollout.adapters.trust.keys import development_director_keys, development_image_keys
from rollout.directive.facts import Directive, Target
from rollout.host.change import Patience
from rollout.host.enrol import Application, enrol
from rollout.host.run import Terms, run
from rollout.ports.release import ReleaseRecord
from rollout.release.target import Step, TargetFacts
from rollout.ringmap import POINTS, RingMap
from tests.adapters.host_world import script
from tests.service import gateway_world
from tests.service.gateway_world import ATTRIBUTES, MANIFEST, NEW, OLD, PRODUCT

RING, POLICY = "canary", "ab" * 32
PACKAGES = {counter: f"release {counter} ".encode() * 2000 for counter in (OLD, NEW)}
DIGESTS = {counter: hashlib.sha256(data).hexdigest() for counter, data in PACKAGES.items()}
LEASE = timedelta(minutes=5)


class AgentWorld:
    """A gateway world whose metadata and packages are real."""

    def __init__(self, folder: Path, inner: gateway_world.World) -> None:
        self.gateway, self.data, self.folder = inner, inner.desk.settings.data, folder
        self.url = str(inner.http.base_url)
        self.installer = script(folder)
        packages = PackageFolder(self.data)
        for counter, data in PACKAGES.items():
            packages.put(self.path(counter), data)
        self.keys = development_director_keys(folder / "director", RING)
        begun = self.now
        self.files = dict(director.first(RING, (), LEASE, self.keys, begun, development=True).files)
        self.root = self.files["1.root.json"]
        self.sign_image(development_image_keys(folder / "image"))
        for _ in range(3):  # the store says that version 3 first carried the directive
            self.direct(self.order(NEW, "install"))
        self.begin()

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC)

    def path(self, counter: int) -> str:
        return f"{PRODUCT}/{counter}/{DIGESTS[counter]}.zip"

    def sign_image(self, keys: Any) -> None:
        map_, data = image.ring_map_target(RingMap(PRODUCT, 1, "salt1", ((RING, 0, POINTS),), {}))
        root = image.director_root_target(RING, self.root)
        steps = {RING: (Step(self.now - timedelta(hours=1), 10_000),)}
        releases = [
            TargetFacts(PRODUCT, f"{counter}.0", counter, 0, "content", ("*",), (0, 2**32 - 1), False, POLICY, None,
                        steps, self.now + timedelta(days=1))
            for counter in PACKAGES
        ]  # fmt: skip
        targets = [
            image.release_target(r, DIGESTS[r.release_counter], len(PACKAGES[r.release_counter])) for r in releases
        ]
        files = dict(image.first(keys, self.now, development=True).files)
        files |= image.publish(files, [*targets, root, map_], keys, self.now).files
        copy(files, self.data / "metadata" / "image")
        for target, content in ((map_, data), (root, self.root)):
            file = self.data / "targets" / target.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def order(self, counter: int, action: Any, **more: Any) -> Target:
        directive = Directive("r1", action, 10_000, "x", 1, counter, ("*",), POLICY, **more)
        return Target(self.path(counter), len(PACKAGES[counter]), {"sha256": DIGESTS[counter]}, directive.to_custom())

    def direct(self, *orders: Target, lease: timedelta = LEASE) -> None:
        self.files |= director.publish(self.files, RING, orders, lease, self.keys, self.now).files
        copy(self.files, self.data / "metadata" / "director" / RING)

    def begin(self) -> None:
        """A rollout that admits everybody: what is tried here is the host's side."""

        def releases(tx: Any) -> None:
            for counter, digest in DIGESTS.items():
                size = len(PACKAGES[counter])
                tx.releases.add(
                    ReleaseRecord(PRODUCT, counter, digest, size, "1", "driver", 0, MANIFEST, {}, tx.at, "p")
                )

        self.gateway.write(releases)
        self.gateway.start(policy={"heartbeat": "1s", "confirm": {"uptime": "1ms", "deadline": "60s"}})
        self.gateway.judge(windows={"laptop-22631-model-x": 1000})

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Judgement and engine stay fresh."""
        ended = threading.Event()

        def move() -> None:
            while not ended.wait(0.5):
                self.gateway.knows()

        self.gateway.knows()
        thread = threading.Thread(target=move)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def application(self, host: str, **change: Any) -> Application:
        given = {"host": host, "gateway": self.url, "token": self.gateway.enroller, "attributes": ATTRIBUTES}
        return Application(**given | {"installed": {PRODUCT: OLD}} | change)

    def host(self, name: str) -> "AgentHost":
        """An enrolled host that runs the old release."""
        made = AgentHost(self, name)
        enrol(made.state, self.application(name))
        (made.root / "running").write_text(f"{OLD}\n")
        return made

    def adoptions(self, host: str) -> list[Any]:
        return list(self.gateway.store.read(lambda tx: tx.adoptions.of_host(tx.hosts.find(host).key)))


class AgentHost:
    """One host's folders, and its agent for one round at a time."""

    def __init__(self, world: AgentWorld, name: str) -> None:
        self.world, self.name = world, name
        self.state, self.root = world.folder / f"state-{name}", world.folder / f"root-{name}"
        self.root.mkdir()
        self.said: list[str] = []

    def round(
        self, *, settle: float = 600.0, start_is_boot: bool = False, measures: Path | None = None
    ) -> dict[str, Any]:
        command = f"{self.world.installer} {self.root}"
        terms = Terms(command, Patience(settle, 3), start_is_boot=start_is_boot, measures=measures)
        return dict(run(self.state, terms, threading.Event(), self.said.append, once=True))

    @property
    def log(self) -> list[str]:
        path = self.root / "log"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def runs(self) -> int:
        return int((self.root / "running").read_text())


@contextmanager
def agents(folder: Path) -> Iterator[AgentWorld]:
    with gateway_world.world(folder / "data") as inner:
        yield AgentWorld(folder, inner)
