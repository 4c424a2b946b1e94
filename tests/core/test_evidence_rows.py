import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.evidence.rows import ActRow, AdoptionRow, EvidenceError, FailureRow, Header, TickRow, dump, parse, read

HEADER = '{"rollout": "r1", "seq": 0, "at": 0, "strata": ["a"], "policy_digest": "00"}'
FAILURE = {
    "rollout": "r1", "seq": 1, "at": 12.5, "ring": "canary", "guard": "crash", "stratum": "a", "arm": "exposed",
    "exposed_at_risk": 100, "control_at_risk": 99900,
}  # fmt: skip
GRANT = {"rollout": "r1", "seq": 1, "at": 1, "ring": "c", "stratum": "a", "adoption": "granted", "order": 0}
TICK = {"rollout": "r1", "seq": 1, "at": 1, "clock": 1, "ring": "c", "tick": True}


def line(base, **changes):
    return json.dumps({**base, **changes})


def test_each_kind_of_row_is_read_and_written_back():
    rows = [
        parse(HEADER, 1), parse(line(FAILURE, band="<4h", control_in_stratum=7), 2), parse(line(GRANT, count=5), 3),
        parse(line(TICK, blind="stale", admitted=True, overdue=3, overdue_asleep=3), 4),
        parse('{"rollout": "r1", "seq": 4, "at": 2, "act": "resume", "person": "ann"}', 5),
    ]  # fmt: skip
    assert [type(row) for row in rows] == [Header, FailureRow, AdoptionRow, TickRow, ActRow]
    assert [parse(dump(row), 1) for row in rows] == rows
    assert dump(rows[1]) == dump(parse(dump(rows[1]), 1)), "canonical"


def test_a_ring_may_be_named_like_a_field():
    row = parse(line(GRANT, ring="guard"), 1)
    assert isinstance(row, AdoptionRow)
    assert row.ring == "guard"


@pytest.mark.parametrize(
    "text",
    [
        line(FAILURE, guard="smoke"), line(FAILURE, exposed_at_risk=-1), line(FAILURE, at=-0.1),
        line(FAILURE, exposed_at_risk=1.5), line(FAILURE, exposed_at_risk=True), line(FAILURE, colour="red"),
        line(FAILURE, at=float("nan")), line(FAILURE, at=float("inf")), line(FAILURE, tick=True),
        line(GRANT, count=0), line(GRANT, adoption="lost"), line(TICK, tick=False), line(TICK, reporting_bp=10_001),
        line(TICK, blind="fog"), line(FAILURE, at=None), "[]", "{}", "{", '"x"', "null", "[" * 100_000,
        line(json.loads(HEADER), seq=3), line(json.loads(HEADER), strata=["a", "a"]),
    ],
)  # fmt: skip
def test_a_malformed_row_is_an_error_that_names_its_line(text):
    with pytest.raises(EvidenceError, match="line 7: "):
        parse(text, 7)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([HEADER, line(FAILURE, seq=2)], "seq 2 of rollout r1 where 1 is due"),
        ([HEADER, line(FAILURE), line(FAILURE)], "seq 1 of rollout r1 where 2 is due"),
        ([line(FAILURE)], "begins without its header"),
        ([HEADER, line(FAILURE), line(FAILURE, seq=2, at=1)], "time runs backwards"),
        ([HEADER, HEADER], "seq 0"),
    ],
)
def test_a_missing_double_or_unordered_row_is_refused(rows, said):
    with pytest.raises(EvidenceError, match=said):
        read(rows)


def test_rollouts_may_be_interleaved_and_lines_blank():
    other = json.loads(HEADER) | {"rollout": "r2"}
    rows = read([HEADER, "", json.dumps(other), line(FAILURE), "\n", line(TICK, rollout="r2")])
    assert {name: [row.seq for row in found] for name, found in rows.items()} == {"r1": [0, 1], "r2": [0, 1]}


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80) | st.recursive(st.none() | st.floats() | st.text(max_size=5), st.lists).map(json.dumps))
def test_any_text_is_a_row_or_a_named_error(text):
    with contextlib.suppress(EvidenceError):
        parse(text, 1)
