"""Evidence that makes no sense: an error that names its line, or the answer that holds; never a promotion."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.evidence.rows import EvidenceError, dump, read
from rollout.judge.replay import replay
from tests.core.judge_story import POLICY, Story, baked, safe

PROMOTABLE = [dump(row) for row in baked(safe(controls=600)).rows]
LAST = len(PROMOTABLE) - 1


def changed(number, **fields):
    lines = list(PROMOTABLE)
    lines[number] = json.dumps(json.loads(lines[number]) | fields)
    return lines


def judged(lines):
    (rows,) = read(lines).values()
    return replay(rows)


SOONEST = judged(PROMOTABLE)["promote_at"]["canary"]


def promoted(lines):
    return [ring for ring, at in judged(lines)["promote_at"].items() if at is not None]


def test_untouched_it_promotes_the_canary():
    assert promoted(PROMOTABLE) == ["canary"]


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        ([*PROMOTABLE[:10], PROMOTABLE[11], PROMOTABLE[10], *PROMOTABLE[12:]], 11),
        ([*PROMOTABLE[:10], PROMOTABLE[9], *PROMOTABLE[10:]], 11),
        ([*PROMOTABLE[:10], *PROMOTABLE[11:]], 11),
        (PROMOTABLE[1:], 1),
        (changed(20, seq=21), 21),
        (changed(20, seq=None), 21),
        (changed(20, at=0.5), 21),
        (changed(20, exposed_at_risk=-1), 21),
        (changed(20, control_at_risk=float("nan")), 21),
        (changed(20, at=float("nan")), 21),
        (changed(20, guard="smoke"), 21),
        (changed(20, arm="both"), 21),
        (changed(20, exposed_at_risk=10**30), 21),
        (changed(20, exposed_confirmed=1.5), 21),
        (changed(20, band=["<30m"]), 21),
        (changed(20, exposed_unmatched=5), 21),
        (changed(20, exposed_unmatched=-1, control_in_stratum=9), 21),
        (changed(20, exposed_unmatched=1.5, control_in_stratum=9), 21),
        (changed(2, count=10**12), 3),
        (changed(LAST, host_hours=1e300), LAST + 1),
        (changed(LAST, clock=-1), LAST + 1),
        (changed(LAST, blind="fog"), LAST + 1),
        (changed(LAST, reporting_bp=10_001), LAST + 1),
        (changed(LAST, overdue_asleep=1), LAST + 1),
        (changed(LAST, overdue=2, overdue_asleep=-1), LAST + 1),
        (changed(LAST, overdue=2, overdue_asleep=True), LAST + 1),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_an_error_that_names_its_line(lines, number):
    with pytest.raises(EvidenceError, match=f"^line {number}: "):
        read(lines)


@pytest.mark.parametrize(
    "fields",
    [
        {"exposed_at_risk": 0, "exposed_confirmed": 0}, {"control_at_risk": 0}, {"exposed_confirmed": 0},
        {"exposed_at_risk": 0, "control_at_risk": 0, "exposed_confirmed": 0},
        {"exposed_at_risk": 2**62, "exposed_confirmed": 0}, {"guard": "dark"}, {"guard": "own"},
    ],
)  # fmt: skip
def test_rows_that_say_nothing_promote_nothing(fields):
    lines = [json.dumps(json.loads(line) | (fields if '"guard"' in line else {})) for line in PROMOTABLE]
    assert promoted(lines) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"reporting_bp": 0}, {"control_reporting_bp": 0}, {"host_hours": 0.0}, {"clock": 0.0},
        {"blind": "coverage"}, {"blind": "store"}, {"overdue": 2**62}, {"ring": "early"},
    ],
)  # fmt: skip
def test_a_tick_that_lacks_something_promotes_nothing(fields):
    assert promoted(changed(LAST, **fields)) == []


def test_a_ring_that_was_never_wholly_admitted_is_not_promoted():
    lines = [json.dumps(json.loads(line) | ({"admitted": False} if '"tick"' in line else {})) for line in PROMOTABLE]
    assert promoted(lines) == []


def test_more_confirmed_than_at_risk_prove_no_more_than_those_at_risk():
    more = [json.dumps(json.loads(line) | ({"exposed_confirmed": 10**15} if '"guard"' in line else {}))
            for line in PROMOTABLE]  # fmt: skip
    gates = [next(term for term in judged(lines)["terms"] if term["name"] == "e") for lines in (more, PROMOTABLE)]
    assert gates[0] == gates[1]
    assert promoted(more) == ["canary"]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_is_done_to_a_line_is_refused_by_name_or_never_promotes_sooner(data):
    number = data.draw(st.integers(1, LAST))
    fields = json.loads(PROMOTABLE[number])
    name = data.draw(st.sampled_from(sorted(set(fields) - {"rollout", "seq", "at"})))
    value = data.draw(st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=3))
    at, refused = None, ""
    try:
        at = judged(changed(number, **{name: value}))["promote_at"]["canary"]
    except EvidenceError as error:
        refused = str(error)
    assert not refused or refused.startswith((f"line {number + 1}: ", "rollout r, seq "))
    assert at is None or at >= SOONEST


def test_a_judgement_of_contradictions_names_the_row():
    story = Story(POLICY).tick(0).adopt("granted", 0, 5).adopt("confirmed", 3, 9)
    with pytest.raises(EvidenceError, match="rollout r, seq 3: "):
        replay(story.rows)
