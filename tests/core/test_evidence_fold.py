"""Events become rows with exactly the hosts at risk just before each; the fold can be cut anywhere."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rollout.event import Event, EventKind
from rollout.evidence.course import passed
from rollout.evidence.fold import EvidenceFold
from rollout.evidence.rows import AdoptionRow, FailureRow

HOSTS = 12
RINGS = ("canary", "rest")


def fold_of() -> EvidenceFold:
    fold = EvidenceFold("r1", "edr", RINGS, ("a", "b"), 1.0)
    places = [
        fold.place(host, "held-out" if host > 9 else RINGS[host % 2], "ab"[host % 2], directed=host <= 9, active=True)
        for host in range(1, HOSTS + 1)
    ]
    fold.fleet.place(places, 0.0, 0.0)
    return fold


def granted(seq: int, host: int, order: int) -> Event:
    detail = {"ring": RINGS[host % 2], "stratum": "ab"[host % 2], "order": order}
    return Event(seq, 0.0, EventKind.GRANTED, host, "r1", f"a{host}", detail)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Grants first come first ranked; then anything that can happen to a host, in any order."""
    kinds = st.sampled_from(["grant", "crash", "old-crash", "own-crash", "dark", "sleep", "wake", "confirm", "revert"])
    steps = draw(st.lists(st.tuples(kinds, st.integers(1, HOSTS)), max_size=40))
    events: list[Event] = []
    order = 0
    let_go: set[int] = set()
    for seq, (kind, host) in enumerate(steps, start=1):
        adoption = f"a{host}" if host in let_go else None
        match kind:
            case "grant":
                if host in let_go or host > 9:
                    continue
                let_go.add(host)
                events.append(granted(seq, host, order))
                order += 1
            case "crash" | "own-crash" | "old-crash":
                detail = {
                    "own": ["edr"] if kind == "own-crash" else [],
                    "before": ["r1"] if kind == "old-crash" else [],
                }
                events.append(Event(seq, 0.0, EventKind.CRASHED, host, None, None, detail))
            case "dark":
                events.append(Event(seq, 0.0, EventKind.DARK, host, "r1", adoption))
            case "sleep" | "wake":
                events.append(Event(seq, 0.0, EventKind.ASLEEP if kind == "sleep" else EventKind.AWAKE, host))
            case _ if adoption is not None:
                done = EventKind.CONFIRMED if kind == "confirm" else EventKind.REVERTED
                events.append(Event(seq, 0.0, done, host, "r1", adoption))
            case _:
                continue
    return events


@given(histories())
def test_a_host_makes_at_most_one_row_per_guard(events: list[Event]) -> None:
    fold = fold_of()
    seen: set[tuple[str, int]] = set()
    for event in events:
        for row in fold.take([event], 0.0, 0.0):
            if isinstance(row, FailureRow):
                assert (row.guard, event.host) not in seen
                seen.add((row.guard, event.host))


@given(histories())
def test_rows_count_the_failing_host_among_those_at_risk(events: list[Event]) -> None:
    fold = fold_of()
    let_go: set[int] = set()
    for event in events:
        rows = fold.take([event], 0.0, 0.0)
        for row in rows:
            if isinstance(row, FailureRow):
                in_stratum = sum(1 for host in range(1, HOSTS + 1) if "ab"[host % 2] == row.stratum)
                assert 1 <= row.exposed_at_risk + row.control_at_risk <= in_stratum
                assert row.exposed_confirmed <= row.exposed_at_risk <= len(let_go)
                if row.arm == "exposed":
                    assert event.host in let_go
                    assert row.exposed_at_risk >= 1
        if event.kind is EventKind.GRANTED:
            let_go.add(event.host)


@given(histories())
def test_an_adoption_has_one_outcome(events: list[Event]) -> None:
    rows = [row for row in fold_of().take(events, 0.0, 0.0) if isinstance(row, AdoptionRow)]
    settled = [row.order for row in rows if row.adoption in {"confirmed", "failed"}]
    assert len(settled) == len(set(settled))


@given(histories(), st.integers(0, 40))
def test_the_fold_can_be_cut_anywhere(events: list[Event], cut: int) -> None:
    whole, parts = fold_of(), fold_of()
    expected = whole.take(events, 0.0, 0.0)
    assert parts.take(events[:cut], 0.0, 0.0) + parts.take(events[cut:], 0.0, 0.0) == expected
    assert np.array_equal(whole.fleet.crashed, parts.fleet.crashed)


@given(histories())
def test_counts_kept_through_many_events_are_those_of_a_new_count_at_each(events: list[Event]) -> None:
    whole, single = fold_of(), fold_of()
    assert whole.take(events, 0.0, 0.0) == [row for event in events for row in single.take([event], 0.0, 0.0)]


@given(histories(), st.floats(0, 30), st.sets(st.integers(1, HOSTS)))
def test_deadlines_are_those_of_every_course_looked_at_alone(
    events: list[Event], clock: float, asleep: set[int]
) -> None:
    fold = fold_of()
    for number, event in enumerate(events):
        fold.take([event], 0.0, 0.5 * number)
    fold.fleet.absent[sorted(asleep)] = True
    slept = {name: course.slept for name, course in fold.courses.items()}
    fold.sleep(2.0)
    for name, course in fold.courses.items():
        lies = course.state == "open" and course.host in asleep | set(np.flatnonzero(fold.fleet.absent).tolist())
        assert course.slept == slept[name] + (2.0 if lies else 0.0)
    alone = [(passed(course, clock, 4.0, 9.0), course.host, course.adoption) for course in fold.courses.values()]
    assert fold.due(clock, 4.0, 9.0, dark_after=1e9) == [each for each in alone if each[0] is not None]


def test_a_crash_before_the_adoption_is_a_control_row_and_fails_nothing() -> None:
    fold = fold_of()
    fold.take([granted(1, 1, 0)], 0.0, 0.0)
    rows = fold.take([Event(2, 0.0, EventKind.CRASHED, 1, None, None, {"own": [], "before": ["r1"]})], 0.0, 0.0)
    assert {row.arm for row in rows if isinstance(row, FailureRow)} == {"control"}
    assert not [row for row in rows if isinstance(row, AdoptionRow)]


def test_a_sleeping_host_is_at_risk_in_neither_arm() -> None:
    fold = fold_of()
    fold.take([Event(1, 0.0, EventKind.ASLEEP, 3)], 0.0, 0.0)
    (row, *_) = fold.take([Event(2, 0.0, EventKind.CRASHED, 1, None, None, {"own": [], "before": []})], 0.0, 0.0)
    assert isinstance(row, FailureRow)
    assert row.control_at_risk == 5, "of six hosts in the stratum one sleeps"


def test_deadlines_mark_the_silent_then_the_overdue_then_the_expired() -> None:
    fold = fold_of()
    fold.take([granted(1, 1, 0), granted(2, 2, 1)], 0.0, 0.0)
    everyone = np.arange(1, HOSTS + 1, dtype=np.int32)
    fold.fleet.hear(everyone[everyone != 2], 9.0, 9.0, 1.0)
    due = fold.due(9.5, overdue=8.0, deadline=30.0, dark_after=5.0)
    assert due == [
        (EventKind.DARK, 2, "a2"),
        (EventKind.OVERDUE, 1, "a1"),
        (EventKind.OVERDUE, 2, "a2"),
    ]
    fold.take([Event(3, 0.0, EventKind.OVERDUE, 1, "r1", "a1")], 0.0, 9.5)
    fold.fleet.hear(everyone, 30.5, 30.5, 1.0)
    assert (EventKind.EXPIRED, 1, "a1") in fold.due(30.5, overdue=8.0, deadline=30.0, dark_after=5.0)


def test_announced_sleep_stops_the_deadline_and_not_overdue() -> None:
    fold = fold_of()
    fold.take([granted(1, 1, 0), Event(2, 0.0, EventKind.ASLEEP, 1)], 0.0, 0.0)
    fold.sleep(40.0)
    assert fold.due(40.0, overdue=8.0, deadline=30.0, dark_after=1e9) == [(EventKind.OVERDUE, 1, "a1")]


def test_who_is_late_by_announced_sleep_alone_is_told_apart() -> None:
    fold = fold_of()
    fold.take([granted(1, 1, 0), granted(2, 2, 1), Event(3, 0.0, EventKind.ASLEEP, 1)], 0.0, 0.0)
    fold.sleep(7.0)
    fold.take([Event(4, 0.0, EventKind.AWAKE, 1)], 0.0, 7.0)
    assert fold.late_by_sleep(9.0, overdue=8.0) == 0, "not marked yet"
    overdue = [Event(seq, 0.0, EventKind.OVERDUE, host, "r1", f"a{host}") for seq, host in ((5, 1), (6, 2))]
    fold.take(overdue, 0.0, 9.0)
    assert fold.late_by_sleep(9.0, overdue=8.0) == 1, "host 2 never slept"
    assert fold.late_by_sleep(15.0, overdue=8.0) == 1, "awake again it has its time"
    assert fold.late_by_sleep(15.5, overdue=8.0) == 0, "and no more than that"
    fold.take([Event(7, 0.0, EventKind.DARK, 1, "r1", "a1")], 0.0, 12.0)
    assert fold.late_by_sleep(12.0, overdue=8.0) == 0, "a failed adoption is late no more"


def test_a_host_that_never_wakes_from_its_announced_sleep_stays_overdue() -> None:
    fold = fold_of()
    fold.take([granted(1, 1, 0), Event(2, 0.0, EventKind.ASLEEP, 1)], 0.0, 0.0)
    fold.sleep(9.0)
    fold.take([Event(3, 0.0, EventKind.OVERDUE, 1, "r1", "a1")], 0.0, 9.0)
    for clock in (100.0, 1000.0, 10_000.0):
        fold.sleep(clock * 0.9)
        assert not [due for due in fold.due(clock, overdue=8.0, deadline=30.0, dark_after=5.0) if due.host == 1]
        assert fold.late_by_sleep(clock, overdue=8.0) == 1


def test_no_control_heard_covers_nothing_and_nobody_exposed_hides_nothing() -> None:
    fold = fold_of()
    assert fold.fleet.coverage(0.0) == (1.0, 1.0)
    assert fold.fleet.coverage(100.0) == (1.0, 0.0)


def test_a_stratum_born_later_is_other_also_where_the_header_has_no_other() -> None:
    fold = fold_of()
    fold.fleet.place([fold.place(40, "rest", "new-model", directed=True, active=True)], 0.0, 0.0)
    (row, *_) = fold.take([Event(1, 0.0, EventKind.CRASHED, 40, None, None, {"own": [], "before": []})], 0.0, 0.0)
    assert isinstance(row, FailureRow)
    assert (row.stratum, row.exposed_at_risk, row.control_at_risk) == ("other", 0, 1)
