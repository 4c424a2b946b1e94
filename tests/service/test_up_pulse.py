"""When a child is given up: by its state, by the store's turn that it holds, by the answers that do not come."""

import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

from rollout.service.up.pulse import ANSWERS_MISSED, LOOKS_BLOCKING, LOOKS_STOPPED, Pulse, holds, is_stopped

PATIENT = """
import fcntl, sys, time
files = [open(name, "w") for name in sys.argv[1:]]
for file in files: fcntl.flock(file, fcntl.LOCK_EX)
print("holds", flush=True)
time.sleep(1000)
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells who is stopped, and who holds what")


@pytest.fixture
def stopped():
    """Start a process that holds the locks of these files, and stop it."""
    started = []

    def start(*files):
        line = [sys.executable, "-c", PATIENT, *map(str, files)]
        started.append(subprocess.Popen(line, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout.readline() == "holds\n"
        os.kill(started[-1].pid, signal.SIGSTOP)
        deadline = time.monotonic() + 30
        while not is_stopped(started[-1].pid):
            assert time.monotonic() < deadline
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.communicate()


def looks(pulse, pid, count):
    """What the supervisor hears at each of so many looks."""
    return [pulse.lost(pid) for _ in range(count)]


@linux
def test_who_was_stopped_with_the_stores_turn_is_given_up_at_once(stopped, tmp_path):
    turn = tmp_path / "turn"
    found = looks(Pulse(None, [tmp_path / "absent", turn]), stopped(turn), LOOKS_BLOCKING)
    assert found == [None] * (LOOKS_BLOCKING - 1) + ["it was stopped while it held the store's turn"]


@linux
def test_who_was_stopped_without_it_has_time_to_go_on(stopped, tmp_path):
    turn = tmp_path / "turn"
    turn.touch()
    found = looks(Pulse(None, [turn]), stopped(), LOOKS_STOPPED)
    assert found == [None] * (LOOKS_STOPPED - 1) + ["it was stopped"]


@linux
def test_who_goes_on_in_time_is_kept(stopped):
    pulse, pid = Pulse(None), stopped()
    assert looks(pulse, pid, LOOKS_STOPPED - 1) == [None] * (LOOKS_STOPPED - 1)
    os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + 30
    while is_stopped(pid):
        assert time.monotonic() < deadline
    assert looks(pulse, pid, LOOKS_STOPPED) == [None] * LOOKS_STOPPED


def test_who_is_silent_after_it_had_answered_is_given_up():
    pulse = Pulse(None)
    pulse.note(answered=True)
    for _ in range(ANSWERS_MISSED):
        assert pulse.lost(os.getpid()) is None
        pulse.note(answered=False)
    assert pulse.lost(os.getpid()) == "it does not answer"
    pulse.note(answered=True)
    assert pulse.lost(os.getpid()) is None


def test_who_has_not_answered_yet_is_given_its_time_and_a_new_process_too():
    pulse = Pulse(None)
    for _ in range(2):
        for _ in range(10 * ANSWERS_MISSED):
            pulse.note(answered=False)
        assert pulse.lost(os.getpid()) is None
        pulse.note(answered=True)
        pulse.born()


@linux
def test_whoever_waits_for_a_lock_does_not_hold_it(tmp_path, stopped):
    turn = tmp_path / "turn"
    pid = stopped(turn)
    assert holds(pid, turn)
    assert not holds(os.getpid(), turn)
    with turn.open("w") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
