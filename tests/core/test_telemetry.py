from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.event import EventKind
from rollout.telemetry import (
    Beat,
    CrashReport,
    Presence,
    Trial,
    advance,
    canonical,
    crash_time,
    hear,
    is_before,
    is_confirmed,
    is_quiet,
)

TRIAL = Trial("p", 2, "a")


def beat(**change):
    fields = {
        "host": "h",
        "boot": "a",
        "seq": 1,
        "uptime": 0.0,
        "running": {"p": 2},
        "phase": "applied",
        "adoption": "x",
    }
    return Beat(**fields | change)


beats = st.builds(
    beat,
    boot=st.sampled_from("abc"),
    uptime=st.floats(0, 1000),
    phase=st.sampled_from(["idle", "applying", "applied", "reverted"]),
    running=st.sampled_from([{}, {"p": 1}, {"p": 2}]),
    adoption=st.sampled_from([None, "x"]),
    sleeping=st.booleans(),
    leaving=st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(beats, max_size=8), st.floats(0, 500), st.integers(0, 2))
def test_confirmation_takes_an_applied_beat_and_that_much_uptime_within_its_boot(told, uptime, reboots):
    trial = TRIAL
    for each in told:
        trial = advance(trial, each)
        if is_confirmed(trial, each, uptime, reboots):
            applied = [one for one in told if one.phase == "applied" and one.running == {"p": 2}]
            assert each in applied
            assert each.uptime >= uptime
            assert len({one.boot for one in applied} - {"a"}) >= reboots


def test_short_boots_do_not_add_up():
    trial = TRIAL
    for boot in "abcdef":
        trial = advance(advance(trial, beat(boot=boot, uptime=5.0)), beat(boot=boot, uptime=30.0))
    assert trial.uptime == 30.0
    assert not is_confirmed(trial, beat(), 60.0, 0)


@settings(max_examples=150, deadline=None)
@given(beats, beats, st.booleans())
def test_quiet_means_that_nothing_changed_but_time(first, second, adopting):
    before, _ = hear(None, first, 1, 10.0, adopting=adopting)
    after, changes = hear(before, second, 1, 20.0, adopting=adopting)
    if is_quiet(before, second):
        assert changes == []
        assert after == before._replace(seq=second.seq, uptime=second.uptime, at=20.0)


@settings(max_examples=150, deadline=None)
@given(beats, st.booleans())
def test_absence_is_believed_only_where_the_host_is_not_at_work(said, adopting):
    after, _ = hear(None, said, 1, 10.0, adopting=adopting)
    if after.absent:
        assert said.phase != "applying"
        assert said.sleeping or (said.leaving and not adopting)


def test_changes_are_named():
    before = Presence(1, 1, "a", 5.0, "idle", 1, canonical({"p": 1, "q": 1}), None, 0.0)
    _, changes = hear(before, beat(boot="b"), 1, 9.0, adopting=False)
    assert [change.kind for change in changes] == [EventKind.REBOOTED, EventKind.RAN, EventKind.AWAKE]
    assert changes[1].detail == {"product": "p", "counter": 2}


def test_a_crash_time_is_corrected_and_never_after_its_report():
    def report(seconds):
        return CrashReport("h", "r", "bugcheck", crashed_at=datetime.fromtimestamp(seconds, UTC))

    assert crash_time(report(1000), 5000.0, 1100.0) == 4900.0
    assert crash_time(report(1000), 5000.0, None) == 1000.0
    assert crash_time(report(9000), 5000.0, None) == 5000.0
    assert crash_time(CrashReport("h", "r", "bugcheck"), 5000.0, 1.0) == 5000.0


def test_a_later_boot_outweighs_the_clock():
    assert is_before(10.0, None, 20.0, {"a"})
    assert is_before(10.0, "z", 20.0, {"a"})
    assert not is_before(10.0, "a", 20.0, {"a"})
    assert not is_before(30.0, "z", 20.0, {"a"})
