"""The command line in a real terminal and a real shell."""

import contextlib
import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.service.answering import RINGS, answering, rollout


@pytest.fixture
def api(monkeypatch):
    with answering() as found:
        monkeypatch.setenv("ROLLOUT_URL", found.url)
        yield found


FRAME = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def on_terminal(size, *arguments):
    """Exit code and everything that was written, for a terminal of so many lines and columns."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    environ = {name: each for name, each in os.environ.items() if name not in {"COLUMNS", "LINES"}} | {"TERM": "xterm"}
    command = [sys.executable, "-m", "rollout.service.cli", *arguments]
    with subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environ) as process:
        os.close(child)
        said = b""
        with contextlib.suppress(OSError):  # Linux says EIO where the other side has closed
            while got := os.read(parent, 65536):
                said += got
    os.close(parent)
    return process.returncode, said.decode()


@pytest.mark.slow
def test_words_and_sentences_are_folded_at_the_edge_of_a_terminal_and_commands_stay_whole(api):
    sentence = "Ring canary may be promoted: the evidence stops nothing; the judge sees; all of it is admitted. " * 3
    waiting = {"kind": "approve", "rollout": "sensor-3", "ring": "canary", "evidence_revision": 9, "sentence": sentence}
    api.on("GET /decisions", (200, {"decisions": [{**waiting, "since": "2026-07-19T04:09:00.000Z"}]}))
    api.on("POST /rollouts/sensor-3/halt", (200, rollout(state="halted")))
    code, said = on_terminal((24, 80), "decisions")
    lines = said.replace("\r", "").splitlines()
    assert (code, max(map(len, lines)) <= 80) == (0, True)
    assert " ".join(said.split()).count(" ".join(sentence.split())) == 1
    assert lines[-1] == "  rollout approve sensor-3 --ring canary --evidence-revision 9 --reason TEXT"
    code, said = on_terminal((24, 60), "halt", "sensor-3")
    assert any("`rollout rollback sensor-3 --reason TEXT`" in line for line in said.splitlines())
    assert (code, max(map(len, said.splitlines())) <= 60) == (0, True)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(24, 80), (12, 80), (40, 120)])
def test_watching_on_a_terminal_redraws_in_place_and_leaves_the_whole_picture(api, size):
    rings = [{**RINGS[n % 3], "name": f"ring-{n}"} for n in range(5)]
    same = [(200, rollout(rings=rings, evidence_revision=n)) for n in range(3)]
    api.on("GET /rollouts/sensor-3", *same, (200, rollout(rings=rings, state="completed")))
    code, said = on_terminal(size, "watch", "sensor-3")
    frames = said.split("\x1b[2K")  # each redrawing clears the lines of the last one
    assert code == 0
    assert len(frames) > size[0] // 2
    assert all(frame.count("\n") < size[0] for frame in frames[:-1])
    last = FRAME.sub("", frames[-1])
    assert max(map(len, last.splitlines())) <= size[1]
    assert all(f"ring-{n}" in last for n in range(5))
    assert "8,498,900" in last


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_completion_completes_in_a_real_bash(tmp_path):
    program = tmp_path / "rollout"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m rollout.service.cli "$@"\n')
    program.chmod(0o755)
    script = """
    eval "$(rollout completion bash)"
    tried() {
      COMPREPLY=(); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rollout_completion rollout; echo "${COMPREPLY[*]}"
    }
    tried rollout ha; tried rollout hosts re; tried rollout wait x --for rolled
    complete -p rollout
    """
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2]), "HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True, check=True)
    halt, rekey, rolled, registered = done.stdout.splitlines()
    assert (halt, set(rekey.split()), rolled) == ("halt", {"retire", "rekey"}, "rolled-back")
    assert registered.endswith("rollout")
