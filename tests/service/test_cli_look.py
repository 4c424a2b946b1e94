"""What the command line shows, and how it ends when it only looks."""

import json
import re

import pytest

from rollout.service.cli import follow, view
from rollout.service.cli.main import main
from rollout.service.cli.output import Screen, fitting
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


def test_get_shows_every_number_the_sentence_and_who_is_waited_for(api, run):
    waiting = {"for": "approver of ring early", "since": "2026-11-22T09:00:00Z"}
    api.on("GET /rollouts/sensor-3", (200, rollout(state="awaiting-approval", waiting=waiting)))
    code, out, _ = run("get", "sensor-3")
    assert code == 0
    for shown in (
        "8,498,900",
        "425,000",
        "healthy",
        "0.42",
        "0.61 to 1.9",
        "revision 17",
        "2.5 s ago",
        "Exposed hosts",
    ):
        assert shown in out
    assert "approver of ring early, since 2026-11-22T09:00:00Z" in out
    assert "rollout approve sensor-3 --ring early --evidence-revision 17 --reason TEXT" in out


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("count", [1, 3, 9])
def test_no_number_is_ever_cut_and_no_line_is_longer_than_the_terminal(width, count):
    rings = [{**RINGS[n % 3], "name": f"ring-{n}"} for n in range(count)]
    rows = [("ring", "state", *view.COUNTS), *((r["name"], r["state"], *(r[c] for c in view.COUNTS)) for r in rings)]
    lines = fitting(rows, width)
    assert max(map(len, lines)) <= width
    numbers = re.findall(r"[\d,]+", re.sub(r"ring-\d+", "", "\n".join(lines)))
    assert sorted(numbers) == sorted(f"{r[c]:,}" for r in rings for c in view.COUNTS)


def test_what_is_over_is_not_said_to_lack_beats(api, run):
    api.on("GET /rollouts/sensor-3", (200, rollout(state="rolled-back", over=True, data_age=None)))
    _, out, _ = run("get", "sensor-3")
    assert "judged no more" in out
    assert "no beat" not in out


def test_text_from_elsewhere_cannot_drive_the_terminal(api, run):
    hostile = "ok\x1b[2J\x1b]0;owned\x07\r\u202eevil"
    api.on("GET /rollouts/sensor-3", (200, rollout(sentence=hostile, reason=hostile, rollout=hostile)))
    _, out, _ = run("get", "sensor-3")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", out)


def test_json_is_one_document_with_its_schema(api, run):
    api.on("GET /rollouts/sensor-3", (200, rollout()))
    code, out, err = run("--json", "get", "sensor-3")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"schema": "rollout.rollout/1", **rollout()}


def test_decisions_name_the_one_command_to_run(api, run):
    asked = {
        "rollout": "sensor-3", "ring": "early", "kind": "approve", "since": "2026-11-22T09:00:00Z",
        "evidence_revision": 17, "have": 0, "need": 1, "sentence": "All gates of early hold.",
    }  # fmt: skip
    api.on("GET /decisions", (200, {"decisions": [asked, {**asked, "kind": "unfreeze", "rollout": None}]}))
    _, out, _ = run("decisions")
    assert "  rollout approve sensor-3 --ring early --evidence-revision 17 --reason TEXT\n" in out
    assert "  rollout unfreeze --reason TEXT\n" in out


@pytest.mark.parametrize("command", ["wait", "watch"])
@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("completed", 0), ("rejected", 1), ("halted", 10), ("rolled-back", 11), ("awaiting-approval", 12),
        ("paused", 12), ("held", 13),
    ],
)  # fmt: skip
def test_following_goes_on_while_it_runs_and_ends_with_the_code_of_its_state(api, run, command, state, code):
    running = [(200, rollout(state=each)) for each in ("running", "rolling-back")]
    api.on("GET /rollouts/sensor-3", *running, (200, rollout(state=state)))
    assert run(command, "sensor-3")[0] == code
    assert len(api.asked) == 3


def test_waiting_ends_with_0_at_the_state_it_was_told(api, run):
    api.on("GET /rollouts/sensor-3", (200, rollout()), (200, rollout(state="halted")))
    assert run("wait", "sensor-3", "--for", "halted")[0] == 0


def test_waiting_ends_with_124_when_its_time_is_up(api, run):
    api.on("GET /rollouts/sensor-3", (200, rollout()))
    assert run("wait", "sensor-3", "--timeout", "50ms")[0] == 124


def test_blindness_ends_following_only_after_half_a_minute_without_a_break():
    end = follow.End()
    blind, healthy = rollout(verdict="blind"), rollout()
    assert [end.reached(blind, t) for t in (0, 29)] == [None, None]
    assert end.reached(healthy, 29.5) is None
    assert [end.reached(blind, t) for t in (30, 60, 60.1)] == [None, None, 13]


def test_a_server_that_comes_back_does_not_end_following(api, run):
    away = problem(503, "unreachable", "starting")
    api.on("GET /rollouts/sensor-3", (200, rollout()), away, away, (200, rollout(state="completed")))
    assert run("wait", "sensor-3")[0] == 0


def test_watching_without_a_terminal_writes_a_line_where_something_changed(api, run):
    same = [(200, rollout(data_age=age)) for age in (1.0, 2.0, 3.0)]
    api.on("GET /rollouts/sensor-3", *same, (200, rollout(state="completed")))
    _, out, _ = run("watch", "sensor-3", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["state"] for line in lines] == ["running", "completed"]
    assert {line["schema"] for line in lines} == {"rollout.rollout/1"}


def test_evidence_is_copied_line_by_line(api, run):
    api.on("GET /rollouts/sensor-3/evidence", (200, b'{"seq":0}\n{"seq":1}\n'))
    assert run("evidence", "sensor-3") == (0, '{"seq":0}\n{"seq":1}\n', "")


def test_events_of_a_stream_become_one_line_each(api, run):
    api.on("GET /rollouts/sensor-3", (200, rollout()))
    stream = b': hello\n\nid: 7\nevent: halt\ndata: {"at":"T",\ndata: "person":"ann"}\n\n'
    api.on("GET /rollouts/sensor-3/events", (200, stream))
    code, out, _ = run("events", "sensor-3", "--json")
    assert code == 0
    assert json.loads(out) == {"schema": "rollout.event/1", "seq": "7", "kind": "halt", "at": "T", "person": "ann"}


def test_colour_is_only_for_a_terminal_that_wants_it(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Screen().colour
    assert not Screen(plain=True).colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Screen().colour
    assert Screen().live


def test_explain_says_every_term_and_what_would_promote_when(api, run):
    terms = [{"name": "crash", "value": 1.2, "sentence": "Guard crash is 1.2: 1 of 5 exposed hosts failed."}]
    gates = [
        {"name": "stop", "passed": True, "sentence": "the evidence stops nothing", "hours": None},
        {"name": "bake", "passed": False, "sentence": "baked 1 h of 2 h", "hours": 1.0},
        {"name": "hazard", "passed": False, "sentence": "evidence is 3", "hours": None},
    ]
    api.on("GET /rollouts/sensor-3", (200, rollout(explanation={"terms": terms, "gates": gates})))
    api.on("GET /rollouts/sensor-3/decisions", (200, {"decisions": []}))
    code, out, _ = run("explain", "sensor-3")
    assert code == 0
    assert "  Guard crash is 1.2: 1 of 5 exposed hosts failed." in out
    assert "  open  the evidence stops nothing\n" in out
    assert "  shut  baked 1 h of 2 h (in about 1 h at the present rate)\n" in out
    assert out.endswith("  shut  evidence is 3\n")


def test_explain_says_the_evidence_and_the_newest_decisions(api, run):
    rows = [
        {"seq": n, "at": f"T{n}", "kind": "promote", "person": None, "detail": {"ring": "canary", "n": n}, "hash": "h"}
        for n in range(12)
    ]
    api.on("GET /rollouts/sensor-3", (200, rollout()))
    api.on("GET /rollouts/sensor-3/decisions", (200, {"decisions": rows}))
    code, out, _ = run("explain", "sensor-3", "--last", "2")
    assert code == 0
    assert "T10  promote  ring=canary  n=10\nT11  promote  ring=canary  n=11\n" in out
    assert "T9" not in out
    assert "E = 0.42" in out
