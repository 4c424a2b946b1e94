"""Building with a `go` that is a small script: what is asked of it, and what happens when it dies half-way."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from rollout.adapters.engine import compiler
from rollout.adapters.engine.build import build
from rollout.adapters.engine.pin import cached, pin, reported
from rollout.errors import SurroundingsError

GO = f"""#!{sys.executable}
import os, pathlib, sys, time
here = pathlib.Path(__file__).parent
if sys.argv[1] == "version":
    print("go version go" + (here / "says").read_text() + " linux/amd64"); sys.exit()
if sys.argv[1] == "env":
    print(here / "no-such-modules"); sys.exit()
with (here / "builds").open("a") as log:
    log.write(repr({{name: os.environ.get(name) for name in
        ("GOFLAGS", "GOTOOLCHAIN", "GOSUMDB", "CGO_ENABLED", "GOPROXY", "GOOS")}}) + os.linesep)
output = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
output.write_text("half")
(here / "building").write_text(str(os.getpid()))
while (here / "slow").exists():
    time.sleep(0.01)
if (here / "broken").exists():
    print("some.go:1: does not compile", file=sys.stderr); sys.exit(2)
output.write_text("#!/bin/sh" + chr(10) + "echo 'temporal version " + (here / "makes").read_text() + " (Server 1)'")
output.chmod(0o755)
"""


@pytest.fixture
def tools(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "go").write_text(GO)
    (folder / "go").chmod(0o755)
    (folder / "says").write_text("1.26.8")
    (folder / "makes").write_text(pin().version)
    return folder


@pytest.fixture
def environ(tools):
    return {"PATH": str(tools), "GOPROXY": "https://proxy.example", "GOOS": "plan9", "GOFLAGS": "-mod=mod"}


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def test_a_build_asks_nobody_for_checksums_and_keeps_the_users_proxy(tmp_path, tools, environ):
    made = build(tmp_path / "cache", environ, lambda _: None)
    assert reported(made) == pin().version
    assert eval((tools / "builds").read_text()) == {  # noqa: S307 - written above
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "GOSUMDB": "off",
        "CGO_ENABLED": "0",
        "GOPROXY": "https://proxy.example",
        "GOOS": None,
    }
    assert not (tmp_path / "cache" / "work").exists()


def test_a_failed_build_shows_the_compilers_words_and_leaves_no_engine(tmp_path, tools, environ):
    (tools / "broken").touch()
    with pytest.raises(SurroundingsError, match="does not compile"):
        build(tmp_path / "cache", environ, lambda _: None)
    assert not cached(tmp_path / "cache").exists()


def test_a_build_that_says_another_version_is_not_kept(tmp_path, tools, environ):
    (tools / "makes").write_text("1.0.0")
    with pytest.raises(SurroundingsError, match=r"1\.0\.0"):
        build(tmp_path / "cache", environ, lambda _: None)
    assert not cached(tmp_path / "cache").exists()


@pytest.mark.parametrize("version", ["1.26.3", "1.25", "1.4.99", "1.28rc1"])
def test_an_older_go_is_ignored_with_a_line_that_says_so(tools, environ, version):
    (tools / "says").write_text(version)
    said: list[str] = []
    assert compiler.on_path(environ, said.append) is None
    assert "ignored" in said[0]


@pytest.mark.parametrize("version", ["1.26.4", "1.27", "2.0.0"])
def test_a_newer_go_is_used(tools, environ, version):
    (tools / "says").write_text(version)
    assert compiler.on_path(environ, pytest.fail) == tools / "go"


def builder(tmp_path: Path, environ: dict[str, str]) -> subprocess.Popen[str]:
    script = (
        "import os, pathlib, sys; from rollout.adapters.engine.build import build;"
        "build(pathlib.Path(sys.argv[1]), os.environ, lambda line: print(line, flush=True))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "cache")],
        env={**environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_builder_killed_half_way_leaves_nothing_running_and_nothing_that_is_used(tmp_path, tools, environ):
    (tools / "slow").touch()
    first = builder(tmp_path, environ)
    wait_for(lambda: (tools / "building").exists() and (tools / "building").read_text())
    go = int((tools / "building").read_text())
    first.send_signal(signal.SIGKILL)
    first.communicate()
    if sys.platform == "linux":
        wait_for(lambda: not alive(go))
    assert not cached(tmp_path / "cache").exists()
    (tools / "slow").unlink()
    assert reported(build(tmp_path / "cache", environ, lambda _: None)) == pin().version


def test_a_second_builder_says_that_it_waits_and_builds_nothing(tmp_path, tools, environ):
    (tools / "slow").touch()
    first = builder(tmp_path, environ)
    wait_for((tools / "building").exists)
    said: list[str] = []
    second = Thread(target=build, args=(tmp_path / "cache", environ, said.append))
    second.start()
    wait_for(lambda: said)
    assert "waiting" in said[0]
    (tools / "slow").unlink()
    second.join(10)
    first.communicate(timeout=10)
    assert reported(cached(tmp_path / "cache")) == pin().version
    assert len((tools / "builds").read_text().splitlines()) == 1


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


def test_a_cache_that_cannot_be_written_says_so(tmp_path, environ):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(SurroundingsError, match="cannot be written"):
        build(tmp_path / "cache", environ, lambda _: None)
