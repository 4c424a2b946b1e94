"""The stage: `rollout up` on a scratch folder, and the hands that do harm to it.

Everything is told by flags and environment, as a user would; of our own environment the service gets neither
`ROLLOUT_*` nor `TEMPORAL_ADDRESS`. Its ports are chosen once, so that a fleet finds it again after everything died.
Children are started from the thread that made the stage: their tether is tied to it.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from rollout.adapters.engine.tether import tethered
from rollout.service.demo.local import Places
from tests.chaos.records import Records
from tests.chaos.violation import Violation

ROLES = ("up", "serve", "gateway", "worker", "temporal")
CHILDREN = ROLES[1:]
SECONDS_TO_START = 300.0
POLL_SECONDS = 0.02
STARTED = b"Application startup complete"
JUDGED = "rollout_judge_rollouts "
PORTS = (20_000, 32_000)  # below those that the system gives to outgoing connections while a service is down


class GivenUpError(Exception):
    """What was waited for did not come."""


class NothingToStrikeError(Exception):
    """A fault did not come upon the moment that it needs; it did nothing."""


class Stage:
    """One service. `data`: its folder; `api`, `gateway`: its URLs; `random`: chance of this round.

    `violations`: what only a fault could see broken, while it lasted. `observed`: the store's URL for who looks on,
    where that is another than the service's.
    """

    def __init__(self, data: Path, seed: int, environment: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.random = Random(seed)
        self.api, self.gateway = (f"http://127.0.0.1:{_free(self.random)}" for _ in range(2))
        self.environment = {"ROLLOUT_WORKER": f"127.0.0.1:{_free(self.random)}", **(environment or {})}
        self.violations: list[Violation] = []
        self.observed: str | None = None
        self._log = data.with_name(f"{data.name}-up.log")
        self._up: subprocess.Popen[bytes] | None = None
        self._others: list[subprocess.Popen[bytes]] = []

    @property
    def places(self) -> Places:
        """Where the service is, and the token of its admin."""
        return Places(self.api, self.gateway, f"{self.api}/", (self.data / "admin.token").read_text("ascii").strip())

    def up(self) -> None:
        """Start `rollout up`, and return when it says that it is ready."""
        with self._log.open("ab") as said:
            self._up = subprocess.Popen(
                _command(self.data, self.api, self.gateway),
                env=_environment() | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
            )
        os.set_blocking(self._up.stdout.fileno(), False)
        line = self.wait(self._said, SECONDS_TO_START, "`rollout up` to be ready")
        assert json.loads(line)["api"] == self.api

    def _said(self) -> bytes | None:
        if self._up.poll() is not None:
            raise GivenUpError(f"`rollout up` ended with {self._up.returncode}: {self._log.read_text()[-1500:]}")
        return self._up.stdout.readline() or None

    def pid(self, role: str) -> int:
        """Return the process id of up, serve, gateway, worker or temporal, as its pid file says; it may be dead."""
        return self.wait(lambda: self._pid(role), 30.0, f"a pid file of {role}")

    def _pid(self, role: str) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            return int((self.data / "run" / f"{role}.pid").read_text("ascii"))
        return None

    def records(self) -> Records:
        """Open the store's own records."""
        return Records(self.data, self.observed or self.environment.get("ROLLOUT_DATABASE"))

    @contextlib.contextmanager
    def unsupervised(self) -> Iterator[None]:
        """Keep `up` from mending anything for a block: it is stopped, and its children run on."""
        self.signal("up", signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal("up", signal.SIGCONT)

    def signal(self, role: str, number: signal.Signals) -> int:
        """Send a signal to a role that lives; its process id."""
        pid = self.wait(lambda: next((p for p in [self._pid(role)] if p and alive(p)), None), 30.0, f"a living {role}")
        os.kill(pid, number)
        return pid

    def kill(self, role: str) -> int:
        """End a role at once, as a crash would; its process id, which no longer lives."""
        pid = self.signal(role, signal.SIGKILL)
        self.wait(lambda: not alive(pid), 10.0, f"{role} to be dead")
        return pid

    def kill_everything(self) -> None:
        """End `up` and every child at once."""
        pids = [pid for role in ROLES if (pid := self._pid(role))]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._up.wait()
        self._up.stdout.close()
        self.wait(lambda: not any(alive(pid) for pid in pids), 10.0, "everything to be dead")

    @contextlib.contextmanager
    def another_worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run a second worker beside the supervised one, with the environment that `up` gave the first."""
        pid = self.signal("worker", 0)
        told = (Path("/proc") / str(pid) / "environ").read_bytes().split(b"\0")
        environment = dict(line.split("=", 1) for line in map(os.fsdecode, told) if "=" in line)
        log = self.data / "log" / "second-worker.log"
        with log.open("ab") as sink:
            told_before = sink.tell()
            process = subprocess.Popen(
                tethered([sys.executable, "-P", "-m", "rollout.service.up.role", "worker"]),
                env=environment | {"ROLLOUT_WORKER": "127.0.0.1:0"},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        self._others.append(process)
        try:
            self.wait(lambda: STARTED in log.read_bytes()[told_before:], SECONDS_TO_START, "a second worker to run")
            yield process
        finally:
            _end(process)
            self._others.remove(process)

    def wait(self, condition: Callable[[], object], seconds: float, what: str = "a condition"):
        """Wait until `condition` is true, and return what it said; GivenUpError after so many seconds."""
        due = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > due:
                raise GivenUpError(f"waited {seconds:.0f} s for {what}")
            time.sleep(POLL_SECONDS)
        return found

    def ready(self) -> bool:
        """Whether both doors say that they are ready."""
        return all(_ready(door) for door in (self.gateway, self.api))

    def judges(self) -> int | None:
        """Return how many rollouts the supervised worker says it judges; None where it says nothing."""
        with contextlib.suppress(OSError, HTTPException):
            said = (_asked(f"http://{self.environment['ROLLOUT_WORKER']}", "/metrics") or b"").decode()
            return next((int(float(line.split()[1])) for line in said.splitlines() if line.startswith(JUDGED)), None)
        return None

    def close(self) -> None:
        """End what runs, in order where it can."""
        for process in [*self._others, *([self._up] if self._up else [])]:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            _end(process)
        for role in CHILDREN:
            if (pid := self._pid(role)) and alive(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether a process runs or is stopped; one that is dead and not yet waited for is not alive."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _command(data: Path, api: str, gateway: str) -> list[str]:
    doors = ["--api", urlsplit(api).netloc, "--gateway", urlsplit(gateway).netloc]
    flags = ["--json", "--data", str(data), *doors, "--heartbeat", "1s"]
    return tethered([sys.executable, "-P", "-m", "rollout.service.cli", "up", *flags])


def _environment() -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ROLLOUT_")}
    ours.pop("TEMPORAL_ADDRESS", None)
    return ours


def _ready(door: str) -> bool:
    try:
        return _asked(door, "/readyz") is not None
    except (OSError, HTTPException):
        return False


def _asked(door: str, path: str) -> bytes | None:
    connection = HTTPConnection(urlsplit(door).netloc, timeout=2.0)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.read() if answer.status == 200 else None
    finally:
        connection.close()


def _free(chance: Random) -> int:
    while True:
        port = chance.randrange(*PORTS)
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
