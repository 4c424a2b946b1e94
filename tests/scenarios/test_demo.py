"""The promises, shown by the whole service: real processes, real engine, signed metadata, a fleet of 200.

P1 absence is never health; P2 bounded harm; P3 closed forward, open backward; P4 the judge stops at once.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rollout.adapters.engine.pin import cache_home
from rollout.adapters.engine.resolve import find

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FIELDS = {"schema", "scenario", "hosts", "seed", "as_expected", "state", "verdict", "harmed", "exposed", "held_out",
          "baselines", "seconds", "temporal_ui", "story"}  # fmt: skip
SECONDS = {"failure_to_stop", "failure_to_last_go", "failure_to_last_back", "total"}
HOSTS = 200
HELD_OUT = 10
FIRST_BATCH = 5
COMMAND = [sys.executable, "-m", "rollout.service.cli", "demo", "--hosts", str(HOSTS), "--json", "--scenario"]


@pytest.fixture(scope="module", autouse=True)
def _engine():
    if find({**os.environ, "TEMPORAL_ADDRESS": ""}, cache_home()) is None:
        pytest.skip("no engine is installed: `rollout engine install`")


def perform(scenario: str, folder: Path) -> dict:
    """The document of one performance, after what every one of them must keep."""
    done = subprocess.run(
        [*COMMAND, scenario], capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": str(folder)}
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)  # one document, nothing else on stdout
    assert found.keys() == FIELDS
    assert found["seconds"].keys() == SECONDS
    assert (found["schema"], found["scenario"], found["hosts"], found["seed"]) == ("rollout.demo/1", scenario, HOSTS, 1)
    assert found["as_expected"] is True
    assert found["held_out"] == HELD_OUT
    assert found["temporal_ui"].startswith("http://")
    assert all(line.keys() == {"at", "what"} for line in found["story"])
    assert [line["at"] for line in found["story"]] == sorted(line["at"] for line in found["story"])
    assert list(folder.iterdir()) == []
    return found


def told(found: dict, words: str) -> bool:
    return any(words in line["what"] for line in found["story"])


def test_p2_a_lethal_update_harms_the_first_batch_and_no_more(tmp_path):
    found = perform("lethal", tmp_path)
    assert found["state"] == "rolled-back"
    assert found["harmed"] == found["exposed"] == FIRST_BATCH
    assert found["baselines"] == {"1": 0, "2": 0}  # the dead are listed, not counted as back
    assert found["seconds"]["failure_to_stop"] < 5
    assert found["seconds"]["failure_to_last_back"] is None
    assert told(found, "5 are dark and listed for hands-on work")


def test_p1_a_host_that_dies_in_silence_counts_as_failed(tmp_path):
    found = perform("boot-loop", tmp_path)
    assert found["state"] == "rolled-back"
    assert found["harmed"] == found["exposed"] == FIRST_BATCH
    assert found["baselines"] == {"1": 0, "2": 0}


def test_p3_p4_a_crashing_update_is_stopped_by_the_judge_and_every_host_gets_its_own_release_back(tmp_path):
    found = perform("crashing", tmp_path)
    assert found["state"] == "rolled-back"
    assert found["verdict"] == "unhealthy"
    assert 1 <= found["harmed"] <= found["exposed"]
    assert sum(found["baselines"].values()) == found["exposed"]  # each is on what it ran before: `as_expected` says so
    assert found["seconds"]["failure_to_stop"] is not None
    assert found["seconds"]["failure_to_last_back"] > 0
    assert told(found, "STOPPED by the judge")


def test_a_good_update_reaches_everybody_but_the_held_out_unattended(tmp_path):
    found = perform("good", tmp_path)
    assert found["state"] == "completed"
    assert found["harmed"] == 0
    assert found["exposed"] == HOSTS - HELD_OUT
    assert found["seconds"]["failure_to_stop"] is None


def test_p1_lost_beats_of_control_neither_promote_nor_roll_back(tmp_path):
    found = perform("blind", tmp_path)
    assert (found["state"], found["verdict"]) == ("running", "blind")
    assert found["harmed"] == 0
    assert 0 < found["exposed"] < HOSTS - HELD_OUT
    assert not told(found, "is promoted")
    assert not told(found, "rolled back:")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_an_interrupted_demonstration_leaves_nothing_behind(tmp_path, number):
    process = subprocess.Popen(
        ["env", "--default-signal=INT", *COMMAND, "good"],  # a shell's background job ignores it
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    try:
        for line in process.stderr:
            if "starts to roll out" in line:
                break
        assert _of(tmp_path)
        process.send_signal(number)
        out, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert out == ""
    assert _of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def _of(folder: Path) -> list[str]:
    """Processes of a demonstration: all inherit the folder that it was told to use."""
    marked = f"TMPDIR={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if marked in (entry / "environ").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found
