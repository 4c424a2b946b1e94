"""The supervisor over small real processes; each test runs `up`'s loop in a process of its own."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rollout.adapters.engine.lock import take
from rollout.adapters.settings import Endpoint, Settings
from rollout.errors import ConflictError, SurroundingsError
from rollout.service.up.prepare import make_folders, prepare
from rollout.service.up.run import run_up

LOOP = """
import os, sys
from pathlib import Path
from rollout.adapters.engine.tether import tethered
from rollout.service.up.child import Child, Role
from rollout.service.up.prepare import make_folders
from rollout.service.up.supervisor import Supervisor
data = Path(sys.argv[1])
make_folders(data)
def role(name):
    line = tethered([sys.executable, "-c", (data / f"{name}.py").read_text(), name])
    return Role(name, line, os.environ, asks=answers, turns=[data / "turn"])
def answers():
    (data / "asked").touch()
    return True
def missing():
    return None if (data / "ready").exists() else "a file"
names = [path.stem for path in sorted(data.glob("*.py"))]
say = lambda line: print(line, file=sys.stderr, flush=True)
Supervisor([Child(role(name), data) for name in names], missing, lambda: print("ready", flush=True), say).run()
"""
PATIENT = "import time; print('hello', flush=True)\nwhile True: time.sleep(1)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + PATIENT
HOLDING = "import fcntl, os, sys; turn = open(os.environ['TURN'], 'w'); fcntl.flock(turn, fcntl.LOCK_EX)\n" + PATIENT
TALKING = "import time\nwhile True: print('hello', flush=True); time.sleep(0.01)"
DYING = "raise SystemExit('no such table')"


@pytest.fixture
def supervise(tmp_path):
    started = []

    def start(*, ready=True, **programs):
        for name, text in programs.items():
            (tmp_path / f"{name}.py").write_text(text)
        if ready:
            (tmp_path / "ready").touch()
        process = subprocess.Popen(
            [sys.executable, "-c", LOOP, str(tmp_path)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TURN": str(tmp_path / "turn")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().split(") ")[1][0] != "Z"


def running(folder: Path, name: str) -> int:
    """Pid of a child whose program runs: its log has its first line."""
    pid, log = folder / "run" / f"{name}.pid", folder / "log" / f"{name}.log"
    wait_for(lambda: pid.exists() and log.exists() and "hello" in log.read_text())
    return int(pid.read_text())


def test_a_dead_child_runs_again_within_two_seconds(supervise, tmp_path):
    up = supervise(serve=PATIENT)
    assert up.stdout.readline() == "ready\n"
    first = running(tmp_path, "serve")
    os.kill(first, signal.SIGKILL)
    began = time.monotonic()
    second = wait_for(lambda: (pid := int((tmp_path / "run" / "serve.pid").read_text())) != first and pid)
    assert time.monotonic() - began < 2
    assert alive(second)
    assert "SIGKILL" in up.stderr.readline()


def test_a_signal_ends_every_child_and_leaves_with_zero(supervise, tmp_path):
    up = supervise(serve=PATIENT, worker=PATIENT)
    pids = [running(tmp_path, name) for name in ("serve", "worker")]
    up.send_signal(signal.SIGTERM)
    assert up.wait(10) == 0
    assert not any(map(alive, pids))
    assert not list((tmp_path / "run").glob("*.pid"))


@pytest.mark.slow
def test_a_child_that_will_not_end_is_ended_in_time(supervise, tmp_path):
    up = supervise(a=DEAF, b=DEAF)
    pids = [running(tmp_path, name) for name in ("a", "b")]
    began = time.monotonic()
    up.send_signal(signal.SIGINT)
    assert up.wait(12) == 0
    assert time.monotonic() - began < 10
    assert not any(map(alive, pids))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no signal at the parent's death")
def test_the_children_die_with_a_killed_supervisor(supervise, tmp_path):
    up = supervise(serve=DEAF)
    child = running(tmp_path, "serve")
    up.kill()
    up.wait()
    wait_for(lambda: not alive(child))


@pytest.mark.slow
def test_a_child_that_never_starts_ends_up_with_its_last_words(supervise):
    up = supervise(ready=False, serve=DYING)
    _, said = up.communicate(timeout=20)
    assert up.returncode == 1
    assert "no such table" in said


def test_a_log_is_set_aside_when_it_is_large_while_its_process_goes_on_writing(supervise, tmp_path):
    supervise(serve=TALKING)
    running(tmp_path, "serve")
    log = tmp_path / "log" / "serve.log"
    with log.open("ab") as file:
        file.truncate((10 << 20) + 1)
    wait_for(lambda: log.with_suffix(".log.1").exists() and log.stat().st_size < 1 << 20)
    assert log.with_suffix(".log.1").stat().st_size > 10 << 20
    wait_for(lambda: log.read_bytes().startswith(b"hello"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells who is stopped")
def test_a_child_that_was_stopped_with_the_stores_turn_is_ended_at_once_and_runs_again(supervise, tmp_path):
    up = supervise(serve=HOLDING)
    first = running(tmp_path, "serve")
    os.kill(first, signal.SIGSTOP)
    turn = (tmp_path / "turn").open("w")
    fcntl.flock(turn, fcntl.LOCK_EX)  # waits until its holder is dead
    wait_for(lambda: not alive(first))  # its locks go before its parent has heard of its death
    assert "it was stopped while it held the store's turn" in up.stderr.readline()
    turn.close()
    assert alive(wait_for(lambda: (pid := int((tmp_path / "run" / "serve.pid").read_text())) != first and pid))


def test_a_child_is_asked_whether_it_is_well(supervise, tmp_path):
    supervise(serve=PATIENT)
    running(tmp_path, "serve")
    wait_for((tmp_path / "asked").exists)


def test_a_second_up_on_the_same_folder_is_a_conflict(tmp_path):
    make_folders(tmp_path)
    held = take(tmp_path / "run" / "up.lock")
    with pytest.raises(ConflictError, match="another `rollout up`"):
        run_up(Settings(tmp_path), json_output=True)
    os.close(held)


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SurroundingsError, match="--data"):
        run_up(Settings(tmp_path / "file"), json_output=True)


@pytest.mark.slow
def test_a_dead_temporal_address_fails_up_and_leaves_the_folder_free(tmp_path):
    told = Settings(tmp_path, api=Endpoint("127.0.0.1", 0), temporal="127.0.0.1:1")
    began = time.monotonic()
    with pytest.raises(SurroundingsError, match=r"127\.0\.0\.1:1"):
        run_up(told, json_output=True)
    assert time.monotonic() - began < 10
    assert take(tmp_path / "run" / "up.lock") is not None
    assert not (tmp_path / "run" / "up.pid").exists()


def test_what_is_made_once_is_kept_and_secret(tmp_path):
    told = Settings(tmp_path / "data")
    make_folders(told.data)
    prepare(told)
    key = told.data / "keys" / "token.key"
    first = key.read_bytes()
    prepare(told)
    assert key.read_bytes() == first
    assert key.stat().st_mode & 0o777 == 0o600
    assert told.data.stat().st_mode & 0o077 == 0
    policy = json.loads((told.data / "trust" / "policy.json").read_text())
    assert policy["content_schemas"] == {"opaque": 0}
