"""Commands that need no server: what they read, what they say, how they end."""

import json

import pytest

from rollout.service.cli.main import COMMANDS, cli, main

HEADER = '{"rollout":"r1","seq":0,"at":0,"strata":["d"],"policy_digest":"x"}\n'
CRASH = (
    '{{"rollout":"r1","seq":{seq},"at":{seq}.5,"ring":"canary","guard":"crash","stratum":"d",'
    '"arm":"exposed","exposed_at_risk":{left},"control_at_risk":900}}\n'
)
TRUST = {
    "schema": "rollout.trust/1", "required_ekus": [], "program_name": None, "allow_unsigned_content": True,
    "content_schemas": {"opaque": 0, "t": 21},
}  # fmt: skip


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    for name in ("ROLLOUT_URL", "ROLLOUT_TOKEN", "ROLLOUT_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "ROLLOUT_DATA"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(each) for each in arguments])
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_list_is_there_and_explains_itself(run, name):
    code, out, _ = run(name, "--help")
    assert code == 0
    assert "--json" in out


def test_every_command_below_a_group_takes_json():
    for name in COMMANDS:
        command = cli.get_command(None, name)
        for below in getattr(command, "commands", {}).values():
            assert any("--json" in option.opts for option in below.params), below.name


def test_evidence_is_judged_again_without_a_server(run, tmp_path):
    (tmp_path / "e").write_text(HEADER + CRASH.format(seq=1, left=5) + CRASH.format(seq=2, left=4))
    code, out, err = run("judge", "e", "--policy", "driver", "--json")
    found = json.loads(out)
    keys = {"rollout", "verdict", "halt_at", "pause_at", "promote_at", "e", "window", "ratio", "rows"}
    assert set(found) == keys | {"schema"}
    assert "harm reached" in err
    assert (code, found["schema"], found["rollout"], found["rows"]) == (0, "rollout.verdict/1", "r1", 3)
    assert (found["verdict"], found["halt_at"]) == ("unhealthy", 2.5)


def test_evidence_that_cannot_be_judged_is_refused_with_its_line(run, tmp_path):
    (tmp_path / "e").write_text(HEADER + CRASH.format(seq=2, left=5))
    code, out, err = run("judge", "e", "--policy", "driver")
    assert (code, out) == (1, "")
    assert "line 2" in err


def test_a_package_is_built_and_verified_and_its_wrong_sister_refused(run, tmp_path):
    (tmp_path / "channel.csv").write_text(",".join("x" * 21) + "\n")
    (tmp_path / "policy.json").write_text(json.dumps(TRUST))
    new = ["release", "new", "--product", "p", "--version", "v", "--kind", "content", "channel.csv", "--counter"]
    assert run(*new, 2, "--schema", "t:21", "--out", "good.zip")[0] == 0
    code, out, _ = run("release", "verify", "good.zip", "--trust", tmp_path, "--json")
    assert code == 0
    assert json.loads(out)["accepted"] is True
    assert run(*new, 3, "--schema", "t:20", "--out", "bad.zip")[0] == 0
    code, out, _ = run("release", "verify", "bad.zip", "--trust", tmp_path, "--json")
    assert code == 1
    assert json.loads(out)["problems"][0]["code"] == "content"


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("kind: driver\nname: mine\n", 0, "accepted"),
        ("kind: driver\nname: mine\nlease: 1s\n", 1, "lease"),
        ("{", 1, ""),
    ],
)
def test_a_policy_file_is_linted_without_a_server(run, tmp_path, text, code, word):
    (tmp_path / "p.yaml").write_text(text)
    found, out, err = run("policy", "lint", "p.yaml", "--json")
    assert found == code
    assert word in out + err
    assert json.loads(out)["schema"] in {"rollout.lint/1", "rollout.problem/1"}


def test_a_policy_file_is_linted_with_what_each_ring_sees_on_a_fleet_of_any_size(run, tmp_path):
    (tmp_path / "p.yaml").write_text("kind: driver\nname: mine\n")
    reference = json.loads(run("policy", "lint", "p.yaml", "--json")[1])
    assert (reference["hosts"], reference["crashes_per_host_hour"], reference["warnings"]) == (100_000, 2.08e-4, [])
    faults = [ring["smallest_fault"] for ring in reference["rings"][:4]]
    assert faults == sorted(faults, reverse=True)
    code, out, _ = run("policy", "lint", "p.yaml", "--hosts", 100_000, "--rate", 5.1e-5)
    assert code == 0
    assert "Ring canary may be held" in out
    assert "smallest fault" in out
    code, out, _ = run("policy", "lint", "p.yaml", "--hosts", 60)
    assert code == 1
    assert "refused  early-life" in out


def test_a_size_is_no_word_for_a_server_that_knows_its_own_fleet(run):
    assert run("policy", "lint", "driver", "--hosts", 100)[0] == 2


def test_a_policy_that_is_shown_in_full_is_a_policy_again(run, tmp_path):
    (tmp_path / "p.yaml").write_text("kind: driver\nname: mine\n")
    code, out, _ = run("policy", "show", "p.yaml", "--json")
    (tmp_path / "shown.json").write_text(json.dumps(json.loads(out)["policy"]))
    assert (code, run("policy", "lint", "shown.json")[0]) == (0, 0)


def test_a_host_check_that_refuses_is_one_document_and_1(run, tmp_path):
    nowhere = "http://127.0.0.1:1/"
    code, out, _ = run(
        "host", "check", "--state", tmp_path, "--director", nowhere, "--image", nowhere, "--ring", "r", "--json"
    )
    assert code == 1
    assert json.loads(out)["refused"] == "metadata"


def test_a_time_without_an_offset_is_a_usage_error(run, tmp_path):
    where = ["--state", tmp_path, "--director", "http://x/", "--image", "http://x/", "--ring", "r"]
    assert run("host", "check", *where, "--now", "2026-11-22T09:00:00")[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("up", "--api", "nowhere"),
        ("up", "--heartbeat", "soon"),
        ("start", "sensor", "--policy", "demo", "--reason", "x"),
        ("start", "sensor/-1", "--policy", "demo", "--reason", "x"),
    ],
)
def test_an_argument_of_another_form_is_a_usage_error(run, tmp_path, monkeypatch, arguments):
    monkeypatch.setenv("ROLLOUT_DATA", str(tmp_path / "data"))
    assert run(*arguments)[0] == 2
    assert not (tmp_path / "data").exists()


def test_a_version_needs_no_server(run):
    code, out, _ = run("version", "--json")
    assert code == 0
    assert json.loads(out)["server"] is None
