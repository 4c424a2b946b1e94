"""People's acts from the command line: what is sent, what is said, with which code it ends."""

import json

import pytest

from rollout.service.cli.main import main
from tests.service.answering import answering, problem, rollout


@pytest.fixture
def api(monkeypatch):
    with answering() as found:
        monkeypatch.setenv("ROLLOUT_URL", found.url)
        monkeypatch.setenv("ROLLOUT_TOKEN", "s3cret")
        yield found


@pytest.fixture
def run(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    return run


def test_a_halt_is_one_exchange_and_carries_the_token(api, run):
    api.on("POST /rollouts/sensor-3/halt", (200, rollout(state="halted")))
    code, out, _ = run("halt", "sensor-3", "--reason", "hosts die")
    assert code == 0
    assert "halted" in out
    assert api.asked == [("POST /rollouts/sensor-3/halt", b'{"reason": "hosts die"}')]
    assert api.heads[0]["Authorization"] == "Bearer s3cret"


def test_a_halt_of_what_was_stopped_otherwise_says_what_it_is(api, run):
    api.on("POST /rollouts/sensor-3/halt", (200, rollout(state="rolling-back")))
    code, _, err = run("halt", "sensor-3")
    assert code == 0
    assert "rolling-back" in err
    assert "stays" not in err


def test_a_product_stands_for_its_newest_rollout(api, run):
    api.on(
        "GET /rollouts",
        (200, {"rollouts": [rollout(release="sensor-eu/9", rollout="x"), rollout(), rollout(rollout="old")]}),
    )
    api.on("POST /rollouts/sensor-3/halt", (200, rollout(state="halted")))
    assert run("halt", "sensor")[0] == 0
    assert api.asked[-1][0] == "POST /rollouts/sensor-3/halt"


def test_halt_all_is_a_freeze(api, run):
    api.on("POST /freeze", (200, {"frozen": True}))
    code, out, _ = run("halt", "--all", "--json")
    assert code == 0
    assert json.loads(out) == {"schema": "rollout.freeze/1", "frozen": True}


@pytest.mark.parametrize("arguments", [["halt"], ["halt", "x", "--all"], ["freeze"], ["rollback", "x"], ["no-such"]])
def test_an_act_that_names_too_little_is_a_usage_error_and_asks_nobody(api, run, arguments):
    assert run(*arguments)[0] == 2
    assert api.asked == []


@pytest.mark.parametrize("act", [["approve", "sensor-3", "--ring", "early"], ["resume", "sensor-3"]])
def test_going_forward_without_having_looked_is_a_usage_error_where_nobody_can_be_asked(api, run, act):
    code, _, err = run(*act, "--reason", "fine")
    assert code == 2
    assert "--evidence-revision" in err
    assert api.asked == []


def test_an_approval_is_bound_to_the_evidence_its_author_saw(api, run):
    api.on("POST /rollouts/sensor-3/approve", (200, rollout()))
    assert run("approve", "sensor-3", "--ring", "early", "--evidence-revision", "17", "--reason", "ok")[0] == 0
    assert json.loads(api.asked[0][1]) == {"ring": "early", "evidence_revision": 17, "reason": "ok"}


def test_a_missing_quorum_is_not_done(api, run):
    api.on("POST /unfreeze", (202, {"have": 1, "need": 2}))
    code, out, err = run("unfreeze", "--reason", "mended", "--json")
    assert code == 4
    assert json.loads(out)["need"] == 2
    assert "1 of 2" in err


def test_an_accepted_rollback_is_done_although_its_status_is_202(api, run):
    api.on("POST /rollouts/sensor-3/rollback", (202, rollout(state="rolling-back")))
    assert run("rollback", "sensor-3", "--reason", "bad")[0] == 0


@pytest.mark.parametrize(
    ("status", "slug", "code"),
    [
        (400, "malformed", 1), (401, "unauthenticated", 4), (403, "own-rollout", 4), (404, "no-rollout", 3),
        (409, "stale-evidence", 5), (422, "invalid", 1), (500, "internal", 1), (503, "engine-unreachable", 6),
    ],
)  # fmt: skip
def test_a_refusal_ends_with_the_code_of_its_kind_and_its_problem_document(api, run, status, slug, code):
    answer = problem(status, slug, "because")
    api.on("POST /rollouts/sensor-3/pause", answer)
    api.on("GET /rollouts", answer)
    found, out, err = run("pause", "sensor-3", "--json")
    assert found == code
    assert json.loads(out)["type"] == f"urn:rollout:problem:{slug}"
    assert json.loads(out)["schema"] == "rollout.problem/1"
    assert err.startswith("rollout: because")


def test_a_start_sends_the_document_of_a_file_and_the_name_of_a_name(api, run, tmp_path):
    api.on("POST /rollouts", (201, {"rollout": "sensor-4"}))
    policy = tmp_path / "mine.yaml"
    policy.write_text("kind: content\nname: mine\n")
    assert run("start", "sensor/12", "--policy", str(policy), "--reason", "r") == (0, "sensor-4\n", run_words)
    assert json.loads(api.asked[0][1])["policy"] == {"kind": "content", "name": "mine"}
    run("start", "sensor/12", "--policy", "mine", "--reason", "r", "--skip-unstored")
    assert json.loads(api.asked[1][1]) == {
        "release": "sensor/12", "policy": "mine", "reason": "r", "skip_unstored": True,
    }  # fmt: skip


run_words = "started; follow it with `rollout watch sensor-4`\n"


def test_a_dry_run_on_a_server_that_started_it_anyway_says_so(api, run):
    api.on("POST /rollouts", (201, {"rollout": "sensor-4"}))
    code, _, err = run("start", "sensor/12", "--policy", "driver", "--dry-run")
    assert code == 1
    assert "rollout halt sensor-4" in err


def test_a_dry_run_shows_rings_hosts_and_the_worst_case(api, run):
    plan = {
        "schema": "rollout.plan/1", "release": "sensor/12", "hours_at_best": 3.5, "lethal_harm": 5, "held_out": 500,
        "rings": [{"name": "canary", "hosts": 100}, {"name": "rest", "hosts": 8498900}],
        "strata": {"desktop-22631-x": 9000}, "unstored": [f"h-{n}" for n in range(25)], "ineligible": [],
        "delayed": {"h-30": "rest"},
    }  # fmt: skip
    api.on("POST /rollouts", (200, plan))
    code, out, _ = run("start", "sensor/12", "--policy", "driver", "--dry-run")
    assert code == 0
    assert json.loads(api.asked[0][1])["dry_run"] is True
    for shown in ("8,498,900", "hours at best: 3.5", "would harm: 5", "unstored: 25", "and 5 more", "ineligible: 0"):
        assert shown in out
    assert "delayed by limits, to ring: 1\n  h-30 rest" in out


def test_a_token_is_shown_once_on_stdout_and_never_in_words(api, run):
    api.on("POST /tokens", (201, {"token": "tk-secret", "id": "t1", "expires": "2027-01-01T00:00:00Z"}))
    code, out, err = run("token", "create", "--role", "approver", "--name", "ann")
    assert (code, out) == (0, "tk-secret\n")
    assert "tk-secret" not in err
