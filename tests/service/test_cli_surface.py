"""The command line as a whole: every command's flags and refusals, sheets, the record, completion, configuration."""

import csv
import io
import json
import socket
import threading

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.audit import ORIGIN, link
from rollout.errors import InvalidError
from rollout.operation import fleet_view
from rollout.service.cli import follow, hosts, record, view
from rollout.service.cli.main import COMMANDS, cli, main
from rollout.service.cli.output import Screen
from rollout.service.cli.server import Flags, locate
from rollout.service.cli.sheet import FORMULA, csv_of
from tests.service.answering import RINGS, answering, problem, rollout


@pytest.fixture
def api(monkeypatch):
    with answering() as found:
        monkeypatch.setenv("ROLLOUT_URL", found.url)
        monkeypatch.setattr(follow, "POLL_SECONDS", 0.01)
        yield found


@pytest.fixture
def run(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    return run


def leaves(group=cli, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(leaves())


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_words_takes_json_and_refuses_what_it_does_not_know(run, path):
    command = ALL[path]
    assert command.help
    assert all(option.help or option.name for option in command.params)
    code, out, _ = run(*path, "--help")
    assert code == 0
    assert "--json" in out
    assert run(*path, "--no-such-option")[0] == 2


def test_every_command_of_the_table_exists():
    assert {path[0] for path in ALL} == set(COMMANDS)


GARBAGE = [
    ("list", "--state", "bogus"), ("hosts", "list", "--state", "bogus"), ("hosts", "list", "--state", "failed"),
    ("hosts", "list", "--rollout", "r", "--state", "active"), ("hosts", "list", "--rollout", "r", "--ring", "x"),
    ("hosts", "list", "--csv", "--json"), ("explain", "r", "--last", "-1"), ("wait", "r", "--timeout", "soon"),
    ("wait", "r", "--for", "bogus"), ("token", "create", "--role", "king", "--name", "x"),
    ("token", "create", "--role", "viewer", "--name", "x", "--ttl", "5 parsecs"),
    ("token", "create", "--role", "viewer", "--name", "x", "--uses", "0"),
    ("token", "create", "--role", "viewer", "--name", "x", "--uses", str(2**31)),
    ("approve", "r", "--ring", "a", "--evidence-revision", "-1", "--reason", "x"), ("audit", "r", "--verify"),
    ("start", "no-release", "--policy", "p", "--reason", "x"), ("completion", "tcsh"), ("get", ""), ("halt", ""),
    ("hosts", "get", ""), ("events", ""), ("evidence", ""), ("token", "revoke", ""),
]  # fmt: skip


@pytest.mark.parametrize("words", GARBAGE, ids=" ".join)
def test_garbage_is_a_usage_error_and_asks_nobody(api, run, words):
    assert run(*words)[0] == 2
    assert api.asked == []


def test_the_states_of_hosts_are_those_of_the_service():
    assert (hosts.STATES, hosts.TOUCHED) == (fleet_view.HOST_STATES, fleet_view.TOUCHED_STATES)


def test_dark_hosts_become_a_sheet(api, run):
    row = {"host": "h-1", "site": 'yul, "5"', "state": "dark", "running": {"edr": 7}, "last_beat": None}
    api.on("GET /hosts?state=dark", (200, {"hosts": [row]}))
    code, out, _ = run("hosts", "list", "--state", "dark", "--csv")
    assert code == 0
    heading, line = csv.DictReader(io.StringIO(out)).fieldnames, next(csv.DictReader(io.StringIO(out)))
    assert heading[:2] == ["host", "site"]
    assert (line["site"], line["running"], line["last_beat"]) == ('yul, "5"', "edr=7", "")
    api.on("GET /rollouts/r1", (200, rollout(rollout="r1")))
    api.on("GET /rollouts/r1/hosts?state=dark&details=true", (200, {"hosts": [row | {"baseline": 3}]}))
    _, out, _ = run("hosts", "list", "--rollout", "r1", "--state", "dark", "--csv")
    assert next(csv.DictReader(io.StringIO(out)))["baseline"] == "3"


@given(st.text(), st.sampled_from((*FORMULA, "", " =")))
def test_no_cell_is_ever_a_formula_and_every_line_is_read_back(text, begin):
    written = csv_of(("a", "b"), [{"a": begin + text, "b": -1}])
    assert written.endswith("\r\n")
    (_, (cell, number)) = list(csv.reader(io.StringIO(written, newline="")))
    assert not cell.lstrip(" ").startswith(FORMULA)
    assert cell.removeprefix("'") == (begin + text).removeprefix("'")
    assert number == "-1"


def chain(count):
    rows, previous = [], ORIGIN
    for seq in range(1, count + 1):
        facts = {"at": seq / 3, "rollout": None, "kind": "act.freeze", "person": "ann", "detail": {"n": seq}}
        rows.append({"seq": seq, **facts, "previous": previous, "hash": link(previous, **facts)})
        previous = rows[-1]["hash"]
    return rows


def test_the_whole_record_is_read_in_slices_and_its_chain_verified(api, run):
    rows = chain(5)
    api.on("GET /audit?after=0", (200, {"audit": rows[:3]}))
    api.on("GET /audit?after=3", (200, {"audit": rows[3:]}))
    api.on("GET /audit?after=5", (200, {"audit": []}))
    code, out, _ = run("audit", "--verify")
    assert (code, out) == (0, f"whole: 5 links, the newest {rows[-1]['hash']}\n")
    assert run("audit")[1].count("act.freeze  ann") == 5
    rows[3]["person"] = "bob"
    code, out, _ = run("audit", "--verify", "--json")
    assert (code, json.loads(out)["broken_at"]) == (1, 4)


def test_a_policy_file_is_stored(api, run, tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine\nkind: content\n")
    api.on("POST /policies", (201, {"name": "mine", "digest": "d" * 64}))
    code, out, _ = run("policy", "add", str(tmp_path / "mine.yaml"))
    assert (code, out) == (0, f"mine  digest {'d' * 64}\n")
    assert json.loads(api.asked[0][1]) == {"name": "mine", "kind": "content"}


def test_a_stream_that_breaks_off_is_taken_up_after_the_last_event(run, monkeypatch):
    document = json.dumps(rollout(rollout="r1")).encode()
    head = b"HTTP/1.1 200 OK\r\n"
    events = [f'id: {n}\nevent: act\ndata: {{"n": {n}}}\n\n'.encode() for n in (7, 8)]
    broken = (
        head
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + f"{len(events[0]):x}\r\n".encode()
        + events[0]
        + b"\r\n40\r\nid: 8"
    )
    answers = [head + b"\r\n" + document, broken, b"", head + b"\r\n" + events[1]]
    asked = []
    monkeypatch.setattr(record, "POLL_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=_each, args=(door, answers, asked), daemon=True).start()
        monkeypatch.setenv("ROLLOUT_URL", f"http://127.0.0.1:{door.getsockname()[1]}")
        code, out, _ = run("events", "r1", "--json")
    assert code == 0
    assert [json.loads(line)["n"] for line in out.splitlines()] == [7, 8]
    assert [b"Last-Event-ID: 7" in request for request in asked] == [False, False, True, True]


def _each(door, answers, asked):
    for answer in answers:
        connection, _ = door.accept()
        with connection:
            asked.append(connection.recv(65536))
            connection.sendall(answer)


@pytest.mark.parametrize("height", [3, 10, 16, 23, 40])
@pytest.mark.parametrize("count", [1, 3, 9])
def test_a_picture_is_never_higher_than_the_screen_and_begins_with_what_matters(height, count):
    rings = [{**RINGS[n % 3], "name": f"ring-{n}"} for n in range(count)]
    found = rollout(rings=rings, state="running")
    shown = view.within(found, Screen(), height).split("\n")
    assert len(shown) <= height
    assert shown[0].startswith("sensor-3  sensor/12  running")
    whole = view.rollout(found, Screen()).split("\n")
    assert shown == whole or "lines more than fit here" in shown[-1] or len(whole) > height


def test_what_is_waited_for_is_not_said_twice(api, run):
    waiting = {"for": "ring a bakes", "since": "T"}
    api.on("GET /rollouts/r1", (200, rollout(sentence="Ring a waits: ring a bakes.", waiting=waiting)))
    _, out, _ = run("get", "r1")
    assert out.count("ring a bakes") == 1
    assert "waits for what stands above, since T" in out


def test_following_says_once_that_the_server_is_away(api, run):
    away = problem(503, "unreachable", "starting; more")
    api.on("GET /rollouts/sensor-3", (200, rollout()), away, away, (200, rollout(state="completed")))
    _, _, err = run("watch", "sensor-3")
    assert err == "asking again: starting\n"


@pytest.fixture
def configured(monkeypatch, tmp_path):
    for name in ("ROLLOUT_URL", "ROLLOUT_TOKEN", "ROLLOUT_TOKEN_FILE", "ROLLOUT_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "rollout").mkdir()
    return tmp_path / "rollout" / "config.toml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("url = ", "cannot be read"), ("\x00", "cannot be read"), ("url = 1", "`url` must be text"),
        ('uri = "http://x"', "`uri` is not known"), ('[server]\nurl = "x"', "`server` is not known"),
        ('url = "http://x"\ntoken_file = "none"', "token file"), ('token_file = ["x"]', "must be text"),
    ],
)  # fmt: skip
def test_a_bad_configuration_file_is_named_with_what_is_wrong(configured, text, said):
    configured.write_text(text)
    with pytest.raises(InvalidError, match=said) as refused:
        locate(Flags(), {})
    assert str(configured.parent) in str(refused.value)


def test_a_token_file_stands_beside_the_configuration_file(configured):
    configured.write_text('url = "http://x"\ntoken_file = "token"')
    (configured.parent / "token").write_text("beside\n")
    assert locate(Flags(), {}).token == "beside"
    assert locate(Flags(), {"ROLLOUT_TOKEN": "environment"}).token == "environment"
