"""Files and arguments of any content: a named error that says whose fault it is, the exit code of the contract, and
never a traceback (which here would be an exception that `main` lets through).
"""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from policies.profiles import profile
from rollout.evidence.rows import AdoptionRow, FailureRow, TickRow, dump
from rollout.release.build import Draft, build
from rollout.service.cli.main import main
from tests.core.judge_story import Story, safe
from tests.service.test_cli_local import TRUST

USAGE, REFUSED, NOT_FOUND, UNREACHABLE = 2, 1, 3, 6
FEW = settings(
    max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NUMBERS = [
    "-1",
    "1e400",
    "-0.0",
    "1e308",
    "0.5",
    "true",
    "null",
    '"7"',
    "9" * 400,
    str(2**63),
    str(2**64),
    "[]",
    "{}",
    "NaN",
]
EVIDENCE = [dump(row) for row in safe(Story(rings={"canary": 100}), controls=3).adopt("granted", 100, 5).rows]
POLICY = profile("driver").document()
BOMB = "a: &a [x, x]\n" + "\n".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]" for n in range(24)
)


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    for name in ("ROLLOUT_TOKEN", "ROLLOUT_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROLLOUT_URL", "http://127.0.0.1:1")  # nobody answers there
    monkeypatch.setenv("ROLLOUT_TOKEN", "t")
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "ROLLOUT_DATA"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(each) for each in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return left.value.code, said.out, said.err

    return run


def refused(found, *codes):
    code, out, err = found
    assert code in codes, (code, out[-300:], err[-300:])
    assert err.strip() or out.strip(), "it says nothing"


lines = st.lists(st.one_of(st.sampled_from(EVIDENCE).map(str.encode), st.binary(max_size=60)), max_size=6).map(
    b"\n".join
)


@FEW
@given(content=lines)
@example(content=b'{"a":' * 100_000)
@example(content=EVIDENCE[0].encode() + b"\n" + b"[" * 200_000)
@example(content=b"\xff\xfe")
def test_evidence_of_any_content_is_judged_or_refused(run, tmp_path, content):
    (tmp_path / "e").write_bytes(content)
    code, out, err = run("judge", "e", "--json")
    assert code in {0, REFUSED, NOT_FOUND}, err
    assert code == 0 or json.loads(out)["type"].startswith("urn:rollout:problem:")


fields = st.sampled_from(
    [
        (kind, name)
        for kind in (FailureRow, AdoptionRow, TickRow)
        for name in kind.__struct_fields__
        if name != "rollout"
    ]
)


@FEW
@given(field=fields, value=st.sampled_from(NUMBERS))
def test_a_number_of_any_kind_in_a_row_is_judged_or_refused(run, tmp_path, field, value):
    kind, name = field
    rows = [json.loads(line) for line in EVIDENCE]
    mark = {FailureRow: "guard", AdoptionRow: "adoption", TickRow: "tick"}[kind]
    at = max(number for number, row in enumerate(rows) if mark in row)
    bad = json.dumps(rows[at] | {name: "@"}).replace('"@"', value)
    (tmp_path / "e").write_text("\n".join([*EVIDENCE[:at], bad, *EVIDENCE[at + 1 :]]))
    code, _, err = run("judge", "e", "--json")
    assert code in {0, REFUSED}, err


def bent(value):
    """A policy with one of its values exchanged, at any depth."""
    if isinstance(value, dict):
        return st.sampled_from(sorted(value)).flatmap(
            lambda key: st.one_of(bent(value[key]), JUNK).map(lambda found: value | {key: found})
        )
    return JUNK if not isinstance(value, list) or not value else bent(value[0]).map(lambda found: [found, *value[1:]])


JUNK = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(max_size=9), st.just([]), st.just({}), st.just("9" * 400 + "d"),
    st.just("1e400s"), st.just(10**400), st.just("-1%"), st.just({"hosts": 10**30}), st.just({"share": "1e9%"}),
)  # fmt: skip


@FEW
@given(document=bent(POLICY))
def test_a_policy_with_anything_in_place_of_one_value_is_linted(run, tmp_path, document):
    (tmp_path / "p.json").write_text(json.dumps(document))
    code, out, err = run("policy", "lint", "p.json", "--json")
    assert code in {0, REFUSED}, err
    assert json.loads(out)


@FEW
@given(
    content=st.one_of(st.binary(max_size=80), st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")))
)
@example(content=BOMB.encode())
@example(content=b"[" * 100_000)
@example(content=b"{" * 100_000)
@example(content=b'{"a":' * 100_000)
@example(content=b"a: " * 30_000)
@example(content=b"- " * 100_000)
@example(content=b"? " * 20_000)
@example(content=b"!!python/object/apply:os.system [id]")
@example(content=b"a: 1\n" * 300_000)
@example(content=b"a: " + b"9" * 100_000)
@example(content=b'{"schema": "rollout.policy/1", "a": "\\ud800"}')
@example(content=b'{"a": ' + b"9" * 100_000 + b"}")
@example(content=b"kind: driver\n<<: {a: 1}")
def test_a_policy_file_of_any_content_is_refused_quickly_and_by_name(run, tmp_path, content):
    (tmp_path / "p.yaml").write_bytes(content)
    refused(run("policy", "lint", "p.yaml", "--json"), REFUSED)
    refused(run("start", "sensor/1", "--policy", "p.yaml", "--reason", "r"), REFUSED, UNREACHABLE)
    (tmp_path / "e").write_text(EVIDENCE[0])
    refused(run("judge", "e", "--policy", "p.yaml", "--json"), REFUSED)


GOOD = build(Draft(product="sensor", release_counter=1, version="1", kind="content"), {"rules.bin": b"x" * 200})


@FEW
@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.tuples(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=8)).map(
            lambda cut: GOOD[: cut[0]] + cut[1] + GOOD[cut[0] + len(cut[1]) :]
        ),
        st.integers(0, len(GOOD)).map(lambda end: GOOD[:end]),
    ),
)
def test_a_package_of_any_content_is_accepted_or_refused_by_a_code(run, tmp_path, content):
    (tmp_path / "trust").mkdir(exist_ok=True)
    (tmp_path / "trust" / "policy.json").write_text(json.dumps(TRUST))
    (tmp_path / "p.zip").write_bytes(content)
    code, out, err = run("release", "verify", "p.zip", "--trust", "trust", "--json")
    found = json.loads(out)
    assert (code, found["accepted"]) in {(0, True), (REFUSED, False)}, err
    assert code == 0 or found["problems"][0]["code"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"schema": 7}', b"[" * 100_000, b'{"a":1,"a":2}'])
def test_a_trust_policy_of_any_content_is_refused_by_name(run, tmp_path, content):
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "policy.json").write_bytes(content)
    (tmp_path / "p.zip").write_bytes(GOOD)
    refused(run("release", "verify", "p.zip", "--trust", "trust", "--json"), REFUSED, NOT_FOUND)


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        (["nonsense"], [USAGE]),
        (["judge"], [USAGE]),
        (["judge", "missing"], [NOT_FOUND]),
        (["judge", "."], [NOT_FOUND]),
        (["judge", "x" * 5000], [NOT_FOUND]),
        (["policy", "lint", "missing.yaml"], [NOT_FOUND]),
        (["policy", "lint", "."], [NOT_FOUND, UNREACHABLE]),
        (["start", "sensor", "--policy", "p", "--reason", "r"], [USAGE]),
        (["start", "sensor/1\n", "--policy", "p", "--reason", "r"], [USAGE]),
        (["start", "sensor/1", "--policy", ".", "--reason", "r"], [NOT_FOUND, UNREACHABLE]),
        (["start", "sensor/1", "--policy", "x" * 5000 + ".yaml", "--reason", "r"], [NOT_FOUND]),
        (["get", "../../etc/passwd"], [USAGE, NOT_FOUND, UNREACHABLE]),
        (["get", "\udcff"], [REFUSED]),
        (["get", ""], [REFUSED, USAGE, NOT_FOUND, UNREACHABLE]),
        (["get", "a", "--url", "nonsense"], [REFUSED, USAGE, UNREACHABLE]),
        (["get", "a", "--url", "http://[::1"], [REFUSED, USAGE, UNREACHABLE]),
        (["get", "a", "--url", "http://127.0.0.1:99999"], [REFUSED, USAGE, UNREACHABLE]),
        (["get", "a", "--url", "file:///etc/passwd"], [REFUSED, USAGE, UNREACHABLE]),
        (["get", "a", "--token-file", "missing"], [REFUSED, USAGE, NOT_FOUND]),
        (["get", "a", "--token-file", "."], [REFUSED, USAGE, NOT_FOUND]),
        (["wait", "a", "--timeout", "1e400s"], [USAGE]),
        (["wait", "a", "--timeout", "9" * 400 + "d"], [USAGE]),
        (["wait", "a", "--for", "nonsense"], [USAGE]),
        (["approve", "a", "--ring", "r", "--evidence-revision", "-1", "--reason", "r"], [USAGE, REFUSED, UNREACHABLE]),
        (["approve", "a", "--ring", "r", "--evidence-revision", "x", "--reason", "r"], [USAGE]),
        (["token", "create", "--role", "king", "--name", "n"], [USAGE]),
        (["token", "create", "--role", "viewer", "--name", "n", "--uses", "0"], [USAGE, REFUSED, UNREACHABLE]),
        (["release", "verify", "missing", "--trust", "."], [NOT_FOUND]),
        (["release", "verify", ".", "--trust", "."], [NOT_FOUND, REFUSED]),
        (["release", "add", "missing"], [NOT_FOUND]),
        (["release", "add", "."], [NOT_FOUND]),
        (["halt", "a", "--reason", "\udcff"], [UNREACHABLE]),
        (["policy", "lint", "\udcff.yaml"], [NOT_FOUND]),
        (["judge", "\udcff"], [NOT_FOUND]),
        (["host", "check", "--state", "s", "--director", "d", "--image", "i", "--ring", "r", "--now", "x"], [USAGE]),
        (["host", "check", "--state", "s", "--director", "d", "--image", "i", "--ring", "r"], [REFUSED]),
        (["up", "--api", "nonsense"], [REFUSED, USAGE]),
        (["up", "--api", "1.2.3.4:99999"], [REFUSED, USAGE]),
        (["up", "--heartbeat", "1e400s"], [REFUSED, USAGE]),
        (["demo", "--hosts", "0"], [REFUSED, USAGE]),
        (["demo", "--hosts", "-5"], [REFUSED, USAGE]),
    ],
)  # fmt: skip
def test_arguments_of_any_kind_end_with_a_code_of_the_contract(run, arguments, codes):
    refused(run(*arguments), *codes)


@pytest.mark.parametrize("token", ["a b", "\udcff", "a\nb", "\u00e9", "x" * 100_000])
def test_a_token_that_is_none_is_refused_before_anything_is_sent(run, monkeypatch, token):
    monkeypatch.setenv("ROLLOUT_TOKEN", token)
    refused(run("list"), REFUSED)
