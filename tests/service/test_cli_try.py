"""`rollout policy try`: where its numbers come from, what it prints, and what it asks for."""

import json

import pytest

from policies.profiles import document
from rollout.service.cli.main import main
from tests.service.answering import answering, problem
from tests.service.api_world import POLICY, world

FLEET = {
    "hosts": {"active": 290, "asleep": 10, "dark": 3},
    "strata": {"laptop-22631-x": 100, "desktop-22631-x": 200},
    "days": 7.0,
    "crashes": {"per_host_hour": 4e-4, "assumed": False, "failures": 20, "host_hours": 5e4, "low": 2e-4, "high": 6e-4},
    "restarts": {"per_day": 0.03, "assumed": False, "hosts": 290, "up_for_a_day": 281},
    "silences": {"per_host_hour": 0.0, "assumed": True, "failures": 0, "host_hours": 0.0, "low": 0.0, "high": None},
}


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    for name in ("ROLLOUT_URL", "ROLLOUT_TOKEN", "ROLLOUT_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "ROLLOUT_DATA"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main(["policy", "try", *(str(each) for each in arguments)])
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    return run


@pytest.fixture
def api(run, monkeypatch):
    with answering() as found:
        monkeypatch.setenv("ROLLOUT_URL", found.url)
        yield found


def test_without_a_service_and_a_size_it_says_what_to_give(run):
    code, out, err = run("content")
    assert (code, out) == (2, "")
    assert "--hosts N" in err
    assert "--rate R" in err


def test_a_rate_that_is_not_a_number_is_refused(run):
    code, _, err = run("driver", "--hosts", 100, "--rate", "nan")
    assert (code, "'nan' is not a number" in err) == (2, True)


@pytest.mark.parametrize("restarts", ["nan", "inf", -1, 1001, "often"])
def test_restarts_that_are_no_number_of_a_day_are_refused(run, restarts):
    code, out, err = run("driver", "--hosts", 100, "--restarts", restarts)
    assert (code, out) == (2, "")
    assert "--restarts" in err


def test_a_service_that_reckons_no_restarts_is_asked_all_the_same(run, api):
    api.on("GET /fleet", (200, {name: told for name, told in FLEET.items() if name != "restarts"}))
    code, out, _ = run("content", "--runs", 1, "--jobs", 1)
    assert (code, "restarts 1 per host and day: as in the reference fleet" in out) == (0, True)


def test_with_a_size_alone_the_reference_rate_is_taken_and_said(run):
    code, out, _ = run("content", "--hosts", 300, "--runs", 1, "--jobs", 1)
    assert code == 0
    assert "policy content (shipped); 1 rollouts of each release, seed 1" in out
    assert "0.000208 per host-hour: as in the reference fleet (no service asked)" in out
    assert "restarts 1 per host and day: as in the reference fleet" in out
    assert "hosts    300: given with --hosts" in out
    assert max(len(line) for line in out.splitlines() if not line.startswith("warning")) <= 80


def test_fleet_strata_and_rate_are_those_of_the_service(run, api):
    api.on("GET /fleet", (200, FLEET))
    stored = {**document("content"), "name": "mine"}
    api.on("GET /policies", (200, {"policies": [{"name": "mine", "document": stored}]}))
    code, out, _ = run("mine", "--runs", 1, "--jobs", 1, "--json")
    found = json.loads(out)
    assert (code, found["schema"], found["policy"], found["policy_from"]) == (0, "rollout.trial/1", "mine", "service")
    assert (found["fleet"]["hosts"], found["fleet"]["from"]) == (300, "service")
    assert found["fleet"]["strata"] == pytest.approx({"laptop-22631-x": 1 / 3, "desktop-22631-x": 2 / 3})
    assert (found["fleet"]["crashes"]["per_host_hour"], found["fleet"]["crashes"]["from"]) == (4e-4, "measured")
    assert found["fleet"]["silences"]["from"] == "assumed"
    assert found.keys() >= {"runs", "seed", "releases", "false_halts", "false_pauses", "rings", "warnings", "seconds"}
    assert found["releases"]["lethal"]["harmed"]["max"] == 5


def test_a_person_reads_what_was_measured_and_with_which_interval(run, api):
    api.on("GET /fleet", (200, FLEET))
    _, out, _ = run("content", "--runs", 1, "--jobs", 1)
    assert "0.0004 per host-hour (0.0002 to 0.0006): 20 in 50,000 host-hours of 7 days" in out
    assert "0 per host-hour: assumed, none in 0 host-hours of 7 days" in out
    assert "hosts    300 in 2 strata: of the service" in out
    assert "restarts 0.03 per host and day: 281 of 290 awake hosts are up for a day or more" in out


def test_what_is_given_overrules_what_was_measured(run, api):
    api.on("GET /fleet", (200, FLEET))
    _, out, _ = run("content", "--hosts", 200, "--rate", 0.001, "--runs", 1, "--jobs", 1)
    assert api.asked == []
    assert "0.001 per host-hour: given with --rate" in out


def test_a_policy_that_lint_refuses_or_nobody_knows_is_not_tried(run, tmp_path):
    (tmp_path / "bad.yaml").write_text("kind: content\nname: bad\nlease: 1s\n")
    assert run("bad.yaml", "--hosts", 300, "--rate", 0)[0] == 1
    assert run("nowhere.yaml", "--hosts", 300, "--rate", 0)[0] == 3
    assert run("nobody", "--hosts", 300, "--rate", 0)[0] == 6


def test_a_service_that_refuses_is_not_taken_for_none(run, api):
    api.on("GET /fleet", problem(401, "token", "no such token"))
    assert run("content", "--hosts", 300)[0] == 4
    api.on("GET /fleet", (200, {**FLEET, "strata": {}}))
    assert run("content")[0] == 2


@pytest.mark.slow
def test_what_a_running_service_measured_is_what_is_tried(run, tmp_path, monkeypatch):
    with world(tmp_path / "data") as here:
        here.fleet(40)
        monkeypatch.setenv("ROLLOUT_URL", here.url)
        monkeypatch.setenv("ROLLOUT_TOKEN", here.token("vera/viewer"))
        (tmp_path / "quick.json").write_text(json.dumps(POLICY))
        code, out, _ = run("quick.json", "--runs", 1, "--jobs", 1, "--json")
        found = json.loads(out)
        assert (code, found["policy_from"], found["fleet"]["hosts"]) == (0, "file", 40)
        assert (found["fleet"]["from"], found["fleet"]["crashes"]["from"]) == ("service", "assumed")
        assert found["fleet"]["restarts"] == {"per_day": 1.0, "from": "reference"}
        assert [ring["hosts"] for ring in found["rings"]] == [10, 20]
        assert json.loads(run("content", "--runs", 1, "--jobs", 1, "--json")[1])["policy_from"] == "service"
