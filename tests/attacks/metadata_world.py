"""A real signed repository behind a real loopback server, and a host that checks it; tests then attack it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from rollout.adapters.trust import director, image
from rollout.adapters.trust.keys import KeySet, RoleKeys, create_key
from rollout.adapters.trust.metadata import Publication
from rollout.adapters.trust.tuf import Metadata
from rollout.directive.facts import Target
from rollout.host.check import CheckResult, check
from rollout.publication import install
from tests.core.directive_world import NOW, RING, release

LEASE = timedelta(minutes=10)
Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """What the server answers: bytes by path, or an act instead."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    acts: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def served() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.lstrip("/")
            site.asked.append(name)
            if name in site.acts:
                site.acts[name](self)
                return
            data = site.files.get(name)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def keyset(folder: Path) -> KeySet:
    """One key a role keeps the tests quick; thresholds are tested where they matter."""
    keys = {role: create_key(folder / f"{role}.pem") for role in ("root", "timestamp", "snapshot", "targets")}
    return KeySet(**{role: RoleKeys((key,)) for role, key in keys.items()})


class World:
    """A repository of two releases, a ring's Director that installs the newer one, and a host."""

    def __init__(self, folder: Path, site: Site, *, development: bool = False) -> None:
        self.site, self.state, self.folder = site, folder / "state", folder
        self.keys = {"image": keyset(folder / "image"), "director": keyset(folder / "director")}
        self.image: dict[str, bytes] = {}
        self.director: dict[str, bytes] = {}
        self.releases = {counter: release(counter) for counter in (4, 5)}
        self.to_image(image.first(self.keys["image"], NOW, development=development))
        self.to_image(image.publish(self.image, self.releases.values(), self.keys["image"], NOW))
        first = director.first(RING, (), LEASE, self.keys["director"], NOW, development=development)
        self.to_director(first)
        self.direct(install(self.releases[5], "r1", 10_000, "salt", 1))
        self.state.mkdir()
        (self.state / "host.json").write_text(
            json.dumps({"host": "h-1", "hardware": "model-x", "os_build": 22631, "installed": {"sensor": 4}})
        )
        (self.state / "image-root.json").write_bytes(self.image["1.root.json"])
        (self.state / "director-root.json").write_bytes(self.director["1.root.json"])

    def to_image(self, publication: Publication) -> None:
        self.image.update(publication.files)
        self.serve("image", publication.files)

    def to_director(self, publication: Publication) -> None:
        self.director.update(publication.files)
        self.serve("director", publication.files)

    def serve(self, where: str, files: dict[str, bytes]) -> None:
        base = "image/" if where == "image" else f"director/{RING}/"
        self.site.files.update({f"{base}{name}": data for name, data in files.items()})

    def direct(self, *targets: Target, now: datetime = NOW) -> None:
        self.to_director(director.publish(self.director, RING, targets, LEASE, self.keys["director"], now))

    def renew(self, now: datetime = NOW) -> None:
        self.to_director(director.renew(self.director, RING, LEASE, self.keys["director"], now))

    def check(self, now: datetime = NOW, ring: str = RING) -> CheckResult:
        return check(self.state, f"{self.site.url}director/{RING}/", f"{self.site.url}image/", ring, now)

    def code(self, **keywords: object) -> str | None:
        return self.check(**keywords).refused

    def marks(self) -> dict[str, object]:
        return json.loads((self.state / "marks.json").read_bytes())

    def resigned(self, name: str, change: Callable[[object], None], where: str = "director") -> bytes:
        """The served file with its signed part changed, signed again by the keys of its role."""
        files = self.director if where == "director" else self.image
        metadata = Metadata.from_bytes(files[name])
        change(metadata.signed)
        metadata.signatures.clear()
        for signer in self.keys[where].of(metadata.signed.type).signers:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()


def later(**span: float) -> datetime:
    return NOW + timedelta(**span)
