"""`rollout simulate`: what it prints, what it refuses, and that processes change nothing."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rollout.service.cli.main import main

SMALL = {
    "schema": "rollout.scenario/1",
    "name": "small",
    "policy": "content",
    "runs": 3,
    "seed": 5,
    "fleet": {"hosts": 300},
    "fault": {"lethal": 0.4, "lethal_reports": False},
}


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.json").write_text(json.dumps(SMALL))

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main(["simulate", *(str(each) for each in arguments)])
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    return run


def test_json_is_one_document_with_its_schema_and_every_field_of_the_contract(run):
    code, out, err = run("small.json", "--jobs", 1, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found["schema"] == "rollout.simulation/1"
    assert (found["scenario"], found["policy"], found["seed"], found["runs"]) == ("small", "content", 5, 3)
    assert found.keys() >= {
        "halted", "halted_interval", "paused", "completed", "held", "harmed", "exposed_at_halt", "crashes_before_halt",
        "hours_to_halt", "hours_to_complete", "information_ratio", "sprt_ratio", "seconds",
    }  # fmt: skip


def test_flags_overrule_the_file_and_a_person_reads_a_table(run):
    code, out, _ = run("small.json", "--runs", 2, "--seed", 9, "--policy", "hotfix", "--jobs", 1)
    assert code == 0
    assert "policy hotfix, seed 9" in out
    assert "halted" in out
    assert "harmed" in out


@pytest.mark.slow
def test_the_answer_does_not_depend_on_how_many_processes_played(run):
    answers = [json.loads(run("small.json", "--runs", 6, "--jobs", jobs, "--json")[1]) for jobs in (1, 2)]
    for one in answers:
        one.pop("seconds")
    assert answers[0] == answers[1]


def test_evidence_of_a_run_is_judged_to_the_same_end(run, capsys):
    assert run("small.json", "--runs", 1, "--evidence", "one.jsonl", "--jobs", 1)[0] == 0
    with pytest.raises(SystemExit) as left:
        main(["judge", "one.jsonl", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert left.value.code == 0
    assert found["verdict"] == "unhealthy"
    assert found["halt_at"] is not None or found["pause_at"] is not None


def test_shipped_scenarios_are_listed_and_found_by_name(run):
    code, out, _ = run("--list", "--json")
    assert code == 0
    assert "july-2024" in json.loads(out)["scenarios"]
    assert run("lethal-30", "--runs", 1, "--json")[0] == 0


def test_what_is_wrong_is_said_with_the_right_exit_code(run, tmp_path):
    (tmp_path / "bad.json").write_text('{"fleet": {"hosts": -1}}')
    code, out, err = run("bad.json", "--json")
    assert code == 1
    assert json.loads(out)["problems"][0]["detail"].startswith("fleet.hosts:")
    assert "bad.json" in err
    assert run("nowhere.json")[0] == 3
    assert run()[0] == 2
    assert run("small.json", "--policy", "none")[0] == 3
    assert run("small.json", "--runs", 0)[0] == 2


@pytest.mark.slow
def test_a_killed_simulation_leaves_no_process_behind(tmp_path):
    (tmp_path / "long.json").write_text(json.dumps({**SMALL, "runs": 100_000}))
    line = [sys.executable, "-P", "-m", "rollout.service.cli", "simulate", "long.json", "--jobs", "2"]
    with subprocess.Popen(line, cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL) as playing:
        _wait_until(lambda: len(_players(playing.pid)) >= 2)
        playing.kill()
        playing.wait()
        _wait_until(lambda: not _players(playing.pid))


def _session(leader):
    """Every process of a session, with its command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if entry.name.isdigit() and int(fields[3]) == leader and fields[0] != "Z":
                found[int(entry.name)] = (entry / "cmdline").read_bytes().decode()
        except (OSError, IndexError):
            continue
    return found


def _players(leader):
    return [line for line in _session(leader).values() if "spawn_main" in line]


def _wait_until(holds):
    end = time.monotonic() + 120.0
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)  # a look now and then; the condition ends it


@pytest.mark.slow
def test_peers_are_compared_in_one_table(run):
    code, out, _ = run("small.json", "--peers", "--runs", 2, "--jobs", 1, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["schema"] == "rollout.peers/1"
    assert found["rules"][0]["rule"] == "this judge"
