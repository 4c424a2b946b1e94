import contextlib
import inspect
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from rollout.adapters.engine.health import reach
from rollout.adapters.engine.pin import cached, module, pin
from rollout.adapters.engine.port import Reservation
from rollout.adapters.engine.resolve import Source, find, install, status
from rollout.errors import InvalidError, SurroundingsError, UnreachableError


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def temporal(path: Path, version: str) -> Path:
    return program(path, f"echo 'temporal version {version} (Server 9.9.9, UI 1.0.0)'")


@pytest.fixture
def environ(tmp_path):
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}


def test_the_pinned_versions_are_read_from_the_module():
    assert pin().version == "1.8.2"
    assert pin().server == "1.31.2"
    assert pin().go == (1, 26, 4)
    assert f"github.com/temporalio/cli v{pin().version} h1:" in (module() / "go.sum").read_text()


def test_an_address_wins_over_path_and_path_over_the_cache(tmp_path, environ):
    built = temporal(cached(tmp_path / "cache"), pin().version)
    assert find(environ, tmp_path / "cache").binary == built
    on_path = temporal(tmp_path / "bin" / "temporal", pin().version)
    found = find(environ, tmp_path / "cache")
    assert (found.source, found.binary) == (Source.PATH, on_path)
    found = find({**environ, "TEMPORAL_ADDRESS": "engine.example:7233"}, tmp_path / "cache")
    assert (found.source, found.address, found.binary) == (Source.ADDRESS, "engine.example:7233", None)


def test_another_version_on_path_is_ignored_with_a_line_that_says_so(tmp_path, environ):
    built = temporal(cached(tmp_path / "cache"), pin().version)
    temporal(tmp_path / "bin" / "temporal", "1.5.0")
    said: list[str] = []
    assert find(environ, tmp_path / "cache", said.append).binary == built
    assert "1.5.0" in said[0]
    assert "ignored" in said[0]


@pytest.mark.parametrize("script", ["exit 1", "kill -9 $$", "echo nonsense"])
def test_a_broken_engine_in_the_cache_is_no_engine(tmp_path, environ, script):
    program(cached(tmp_path / "cache"), script)
    assert find(environ, tmp_path / "cache") is None


@pytest.mark.parametrize("address", ["nowhere", "host:", ":7233", "host:0", "host:99999", "host:x"])
def test_an_address_that_is_none_is_refused(tmp_path, environ, address):
    with pytest.raises(InvalidError, match="HOST:PORT"):
        find({**environ, "TEMPORAL_ADDRESS": address}, tmp_path)


def test_install_answers_a_binary_whatever_the_address_says(tmp_path, environ):
    built = temporal(cached(tmp_path / "cache"), pin().version)
    told = {**environ, "TEMPORAL_ADDRESS": "engine.example:7233"}
    assert install(lambda _: None, told, tmp_path / "cache") == built


def test_status_says_what_is_there_and_what_was_ignored(tmp_path, environ):
    temporal(tmp_path / "bin" / "temporal", "0.1")
    answer = status(environ, tmp_path / "cache")
    assert answer["schema"] == "rollout.engine/1"
    assert (answer["installed"], answer["source"], answer["compiler"]) == (False, "build", None)
    assert len(answer["notes"]) == 1


def test_a_taken_port_is_named_before_anything_starts():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SurroundingsError, match=f"engine cannot listen on 127.0.0.1:{port}"):
            Reservation.of("127.0.0.1", port, "engine")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the port is learned, not kept")
def test_a_reserved_port_is_ours_to_listen_on_and_nobody_elses_by_chance():
    reserved = Reservation.of("127.0.0.1", 0, "engine")
    for _ in range(2):  # a restart gets it again
        with socket.create_server(("127.0.0.1", reserved.port)) as server:
            socket.create_connection(server.getsockname()).close()
    reserved.close()


NOT_SERVING = b"\x00\x00\x07\x00\x00\x00\x00\x00\x01" + b"\x00\x00\x00\x00\x02\x08\x02"
NO_ANSWER = b"\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88"
SERVING = NOT_SERVING[:-1] + b"\x01"


@contextmanager
def talking(words: bytes):
    """A server that says these words to everyone."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    with server.accept()[0] as connection:
                        connection.sendall(words)
                        connection.recv(4096)

        thread = Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", NO_ANSWER, NOT_SERVING])
def test_a_server_that_is_no_engine_is_refused_in_time(words):
    began = time.monotonic()
    with talking(words) as address, pytest.raises(UnreachableError, match=address):
        reach(address, 0.3)
    assert time.monotonic() - began < 3


def test_a_serving_engine_is_reached_at_once():
    with talking(SERVING) as address:
        reach(address, 5)


def test_an_address_where_nobody_is_fails_within_ten_seconds():
    free = Reservation.of("127.0.0.1", 0, "nothing")
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="TEMPORAL_ADDRESS"):
        reach(f"127.0.0.1:{free.port}", 0.5)
    assert time.monotonic() - began < 2
    assert inspect.signature(reach).parameters["seconds"].default < 10
    free.close()


def test_importing_the_engine_does_not_import_the_sdk():
    script = (
        "import sys, rollout.adapters.engine.resolve, rollout.adapters.engine.server;"
        "sys.exit(any(name in sys.modules for name in ('temporalio', 'fastapi', 'sqlalchemy', 'httpx')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port is learned, not held")
def test_a_port_that_another_up_reserved_is_taken_also_while_its_child_is_down():
    mine = Reservation.of("127.0.0.1", 0, "worker")
    try:
        with pytest.raises(SurroundingsError, match="the worker cannot listen on"):
            Reservation.of("127.0.0.1", mine.port, "worker")
    finally:
        mine.close()
    again = Reservation.of("127.0.0.1", mine.port, "worker")
    again.close()
