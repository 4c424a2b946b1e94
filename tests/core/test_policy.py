import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from policies import profiles
from policies.digest import digest
from policies.duration import format_duration, parse_duration
from policies.error import PolicyError
from policies.load import load


def codes(error):
    return {problem.code for problem in error.value.problems}


@pytest.mark.parametrize("name", profiles.names())
def test_a_complete_document_loads_to_itself_and_keeps_its_digest(name):
    policy = profiles.profile(name)
    again = load(json.dumps(policy.document()))
    assert again == policy
    assert digest(again) == digest(policy) == digest(load(profiles.text(name)))


@given(st.timedeltas(timedelta(0), timedelta(days=3650)))
def test_a_duration_has_one_spelling_that_reads_back(duration):
    duration -= duration % timedelta(milliseconds=1)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("0.25s", 0.25), ("45s", 45), ("1.5h", 5400), ("3d", 259200), ("PT1M30S", 90), ("P1DT2H", 93600)],
)
def test_durations_are_read_in_both_spellings(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "-5s", "5 s", "P", "PT", "P1DT", "P1Y", "1e3s", "9999999d", "1.0001ms", "٣s"]
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match=r"duration|finer|longer"):
        parse_duration(text)


def test_the_digest_does_not_depend_on_the_spelling():
    spellings = [
        "kind: driver\nheartbeat: 60s\nhold_out: 5%\njudge: {halt_at: 100}\n",
        '{"hold_out": 0.05, "heartbeat": "1m",\n\t"kind": "driver"}',
        "{kind: driver, heartbeat: PT60S, judge: {halt_at: 100.0}}",
        {"kind": "driver", "hold_out": "0.05"},
    ]
    assert {digest(load(text)) for text in spellings} == {digest(profiles.profile("driver"))}
    assert digest(load("{kind: driver, hold_out: 6%}")) != digest(profiles.profile("driver"))


def test_maps_are_merged_field_by_field_and_null_switches_off():
    policy = load("{kind: driver, judge: {weights: {own: 0.25, dark: 0.10}}, rings: [{max_per_minute: null}, {}]}")
    assert (policy.judge.weights.own, policy.judge.weights.crash) == (0.25, 0.30)
    assert policy.rings[0].max_per_minute is None
    assert policy.rings[0].bake.min == timedelta(hours=2)


def test_rings_inherit_by_position_the_last_from_the_last():
    rings = [{"name": f"r{i}", "size": {"hosts": 10**i}} for i in range(2, 8)] + [{"name": "all"}]
    policy = load({"kind": "driver", "rings": rings})
    assert [ring.promote.margin for ring in policy.rings] == [10, 5, 3, 1.7, 1.7, 1.7, None]
    assert policy.rings[-1].size.rest
    assert policy.rings[2].size.share is None, "a size given replaces the inherited one whole"


def test_overdue_is_derived_and_never_inherited():
    policy = load("{kind: content, heartbeat: 2s, confirm: {uptime: 4s}}")
    assert policy.overdue == timedelta(seconds=10)
    assert policy.dark_after == timedelta(seconds=8)
    assert load("{kind: content, confirm: {overdue: 280s}}").overdue == timedelta(seconds=280)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{kind: driver, wtach: 1h}", "unknown-field"),
        ("{kind: driver, rings: [{bake: {mni: 1h}}, {}]}", "unknown-field"),
        ("{name: x}", "kind"),
        ("{kind: demo}", "kind"),
        ("{kind: driver, heartbeat: 60}", "invalid"),
        ("{kind: driver, heartbeat: null}", "invalid"),
        ("{kind: driver, heartbeat: 0s}", "invalid"),
        ("{kind: driver, hold_out: 101%}", "invalid"),
        ("{kind: driver, hold_out: .nan}", "invalid"),
        ('{"kind": "driver", "judge": {"halt_at": NaN}}', "invalid"),
        ("{kind: driver, judge: {boost: 1}}", "invalid"),
        ("{kind: driver, rings: []}", "invalid"),
        ("{kind: driver, rings: [{first_batch: 0}, {}]}", "invalid"),
        ("{kind: driver, rings: [{size: {hosts: 5, share: 1%}}, {}]}", "invalid"),
        ("{kind: driver, rings: canary}", "invalid"),
        ("{kind: driver, schema: rollout.policy/2}", "invalid"),
        ("[1, 2]", "syntax"),
        ("", "syntax"),
        ("{kind: driver, kind: content}", "syntax"),
        ('{"kind": "driver", "kind": "content"}', "syntax"),
        ("{kind: driver, 5: x}", "syntax"),
        ("{kind: &a driver, name: *a}", "syntax"),
        ("kind: !!python/object/apply:os.getcwd []", "syntax"),
        ("[" * 30000, "syntax"),
        ('{"a":' * 12000, "syntax"),
        ("kind: driver\n" + "#" * 70000, "syntax"),
        (b"\xff\xfe", "syntax"),
    ],
)
def test_what_is_no_policy_is_refused_with_a_stable_code(text, code):
    with pytest.raises(PolicyError) as error:
        load(text)
    assert codes(error) == {code}


def test_every_problem_of_shape_is_reported_at_once():
    with pytest.raises(PolicyError) as error:
        load("{kind: driver, watch: 5, hold_out: 7, color: red}")
    assert len(error.value.problems) == 3


def test_times_of_day_need_no_quotes_and_open_by_their_zone():
    opens = {"after": "09:00", "before": "16:00", "days": ["mon"], "zone": "Europe/Berlin"}
    text = yaml.safe_dump({"kind": "driver", "rings": [{"opens": opens}, {}]}).replace("'", "")
    window = load(text).rings[0].opens
    assert window is not None
    monday = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    assert window.is_open(monday)
    assert not window.is_open(monday.replace(hour=7))
    assert not window.is_open(monday.replace(hour=15))
    assert not window.is_open(monday.replace(day=24))


def test_a_policy_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        profiles.profile("driver").hold_out = 0.0
