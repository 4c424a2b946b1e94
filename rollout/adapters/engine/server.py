"""Run the engine on this machine: its command line, its database file, and the settings it needs.

Our own child process rather than the SDK's `start_local`, which ended the interpreter with it.
Numbers and flags: measured, see the comments.
"""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rollout.adapters.engine.health import serving
from rollout.adapters.engine.pin import pin
from rollout.adapters.engine.port import Reservation
from rollout.adapters.engine.tether import tethered
from rollout.errors import SurroundingsError

HOST = "127.0.0.1"  # the development server has no authentication: never anything else
_RETENTION = "720h"  # closed workflows, for people who look back; the store keeps the record
_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000")
_DYNAMIC = (
    "history.transferProcessorMaxPollRPS=1000",  # its default of 20 makes every activity cost 100 ms
    "frontend.enableServerVersionCheck=false",  # asks a server of its maker; this one calls nobody
)
_SECONDS_TO_START = 30.0  # 0.2 s here
_SECONDS_TO_STOP = 5.0


@dataclass(frozen=True, slots=True)
class Engine:
    """An embedded engine: which binary, where its files lie, and which ports it is given."""

    binary: Path
    folder: Path
    port: int
    ui_port: int
    namespace: str = "rollout"

    @property
    def address(self) -> str:
        """HOST:PORT of its gRPC frontend."""
        return f"{HOST}:{self.port}"

    @property
    def ui(self) -> str:
        """URL of its web page."""
        return f"http://{HOST}:{self.ui_port}"

    @property
    def database(self) -> Path:
        """Its file, named by server version: no version reads another's."""
        return self.folder / f"temporal-{pin().server}.sqlite"

    def argv(self) -> list[str]:
        """Return its command line, tethered to the process that starts it."""
        flags = ["--ip", HOST, "--port", str(self.port), "--ui-port", str(self.ui_port), "--ui-disable-news-fetch"]
        flags += ["--namespace", self.namespace, "--db-filename", str(self.database), "--log-level", "error"]
        flags += [word for pragma in _PRAGMAS for word in ("--sqlite-pragma", pragma)]
        flags += [word for value in _DYNAMIC for word in ("--dynamic-config-value", value)]
        return tethered([str(self.binary), "server", "start-dev", *flags, *_NO_CONFIGURATION])

    def clear(self) -> None:
        """Make its folder, and remove what is left of a database that never served or was deleted.

        The server writes its tables only when the file is missing, so one killed in that moment
        would never start again. Nothing is lost: the store is the truth.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self._served.exists() and self.database.exists()):
            self._served.unlink(missing_ok=True)
            for suffix in ("", "-wal", "-shm", "-journal"):
                Path(f"{self.database}{suffix}").unlink(missing_ok=True)

    def settle(self, seconds: float = _SECONDS_TO_START) -> bool:
        """Wait until it serves, then set its namespace's retention; False if it does not within `seconds`."""
        deadline = time.monotonic() + seconds
        while not serving(self.address):
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        self._served.touch()
        update = ["operator", "namespace", "update", "--address", self.address, "--namespace", self.namespace]
        try:
            done = subprocess.run(
                [str(self.binary), *update, "--retention", _RETENTION, *_NO_CONFIGURATION],
                capture_output=True,
                timeout=20,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0

    @property
    def _served(self) -> Path:
        return self.database.with_suffix(".served")


_NO_CONFIGURATION = ("--disable-config-file", "--disable-config-env")  # a user's own settings are for other servers


@contextmanager
def running(binary: Path, folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[Engine]:
    """Run an engine on free ports for a block, and end it; SurroundingsError with its last words if it fails."""
    port, page = Reservation.of(HOST, 0, "engine"), Reservation.of(HOST, 0, "engine's page")
    engine = Engine(binary, folder, port.port, page.port)
    engine.clear()
    log = folder / "temporal.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(engine.argv(), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environ)
    try:
        if not engine.settle():
            last = log.read_text(encoding="utf-8", errors="replace")[-800:]
            raise SurroundingsError(f"the engine does not start:\n{last}", slug="engine-start")
        yield engine
    finally:
        process.terminate()
        try:
            process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        port.close()
        page.close()
