"""The command line as a process: signals, pipes, terminals, how fast it starts, how it finds its server."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading

import pytest

from rollout.adapters.settings import Endpoint, Settings
from rollout.errors import InvalidError, UnreachableError
from rollout.service.cli.client import Client
from rollout.service.cli.server import Flags, Server, locate
from rollout.service.up.address import leave
from tests.service.answering import answering, rollout

ROLLOUT = [sys.executable, "-m", "rollout.service.cli"]


@pytest.fixture
def home(monkeypatch, tmp_path):
    for name in ("ROLLOUT_URL", "ROLLOUT_TOKEN", "ROLLOUT_TOKEN_FILE", "ROLLOUT_DATA", "ROLLOUT_API"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


@pytest.fixture
def api(home, monkeypatch):
    with answering() as found:
        monkeypatch.setenv("ROLLOUT_URL", found.url)
        yield found


def test_ctrl_c_ends_with_130_and_without_a_traceback(api):
    api.on("GET /rollouts/sensor-3", (200, rollout()))
    heeded = signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background is begun without
    with subprocess.Popen([*ROLLOUT, "watch", "sensor-3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        signal.signal(signal.SIGINT, heeded)
        assert b"running" in child.stdout.readline()
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=10)
    assert child.returncode == 130
    assert err.strip() == b"interrupted"


def test_a_reader_that_leaves_ends_it_quietly(api):
    api.on("GET /rollouts/sensor-3/evidence", (200, b'{"seq":0}\n' * 200_000))
    with subprocess.Popen([*ROLLOUT, "evidence", "sensor-3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child.stdout.readline()
        child.stdout.close()
        assert child.wait(timeout=20) == 141
        assert child.stderr.read() == b""


def test_a_server_that_is_not_there_is_named_with_what_to_do(home):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        done = subprocess.run([*ROLLOUT, "--url", url, "list"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (6, "")
    for told in (url, "--url", "nothing listens there", "rollout up"):
        assert told in done.stderr


def test_on_a_terminal_the_evidence_is_shown_and_asked_for(api):
    api.on("GET /rollouts/sensor-3", (200, rollout(state="paused", evidence_revision=41)))
    api.on("POST /rollouts/sensor-3/resume", (200, rollout()))
    said, code = _typed([*ROLLOUT, "resume", "sensor-3", "--reason", "seen"], "y\r")
    assert "Go forward on evidence revision 41?" in said
    assert json.loads(api.asked[-1][1]) == {"evidence_revision": 41, "reason": "seen"}
    assert code == 0


def test_whoever_says_no_on_a_terminal_has_changed_nothing(api):
    api.on("GET /rollouts/sensor-3", (200, rollout(state="paused")))
    _, code = _typed([*ROLLOUT, "resume", "sensor-3", "--reason", "seen"], "n\r")
    assert code == 130
    assert [call for call, _ in api.asked] == ["GET /rollouts/sensor-3"]


def _typed(command, keys):
    """Run a command in a terminal of 80 columns; type `keys` when it asks."""
    parent, child = pty.openpty()
    with subprocess.Popen(command, stdin=child, stdout=child, stderr=child) as process:
        os.close(child)
        said = b""
        while True:
            try:
                got = os.read(parent, 65536)
            except OSError:  # the other side has closed: the process ended
                break
            if not got:
                break
            said += got
            if b"[y/N]" in got:
                os.write(parent, keys.encode())
    os.close(parent)
    return said.decode(), process.returncode


def test_starting_imports_nothing_heavy(api):
    heavy = ["temporalio", "fastapi", "sqlalchemy", "uvicorn", "httpx", "numpy", "yaml", "pydantic", "rich"]
    seen = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "rollout.service.cli", "halt", "sensor-3"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in seen.stderr.splitlines() if "|" in line}
    assert "click" in imported
    assert imported.isdisjoint(heavy)


def test_the_first_that_names_a_server_wins(home):
    told = home / "config" / "rollout"
    told.mkdir(parents=True)
    (told / "config.toml").write_text(f'url = "https://file.example/"\ntoken_file = "{home}/filed"\n')
    (home / "filed").write_text("from-file\n")
    (home / "named").write_text("named\n")
    assert locate(Flags(), {}).url == "https://file.example"
    assert locate(Flags(), {}).token == "from-file"
    environ = {"ROLLOUT_URL": "http://env:1", "ROLLOUT_TOKEN": "env"}
    assert locate(Flags(), environ).url == "http://env:1"
    assert locate(Flags("http://flag:1", str(home / "named")), environ).token == "named"


def test_a_service_of_this_machine_is_found_when_nothing_is_configured(home):
    with pytest.raises(UnreachableError, match="no server is configured"):
        locate(Flags(), {})
    data = home / "data" / "rollout"
    (data / "run").mkdir(parents=True)
    (data / "admin.token").write_text("local\n")
    assert (locate(Flags(), {}).url, locate(Flags(), {}).token) == ("http://127.0.0.1:8470", "local")
    leave(Settings(data, api=Endpoint("127.0.0.1", 4711)))
    assert locate(Flags(), {}).url == "http://127.0.0.1:4711", "a port taken at random"
    (data / "run" / "up.json").write_text("[]")
    assert locate(Flags(), {}).url == "http://127.0.0.1:8470", "a file of another form says nothing"


@pytest.mark.parametrize("held", ["", "two words", "line\nline", "x" * 70_000, "sch\u00f6n"])
def test_a_token_file_that_holds_no_token_is_refused_without_showing_it(home, held):
    (home / "t").write_text(held)
    with pytest.raises(InvalidError, match="does not hold one token"):
        locate(Flags("http://x:1", str(home / "t")), {})


@pytest.mark.parametrize(
    "broken",
    [
        b"Content-Length: 100\r\n\r\n" + b'{"seq":0}\n',
        b"Transfer-Encoding: chunked\r\n\r\n" + b'a\r\n{"seq":0}\n\r\n',
        b"Transfer-Encoding: chunked\r\n\r\n" + b'a\r\n{"seq":0}\n\r\na\r\n{"se',
    ],
)
def test_a_record_that_breaks_off_is_never_taken_for_a_whole_one(broken):
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(1)
        threading.Thread(target=_once, args=(door, b"HTTP/1.1 200 OK\r\n" + broken), daemon=True).start()
        client = Client(Server(f"http://127.0.0.1:{door.getsockname()[1]}", None, "here"))
        lines = client.lines("/rollouts/x/evidence")
        assert next(lines) == '{"seq":0}'
        with pytest.raises(UnreachableError, match="broke off"):
            list(lines)


def _once(door, answer):
    connection, _ = door.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(answer)
