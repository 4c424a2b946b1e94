"""The way back: which directive a host takes, and that a floor is never passed."""

from dataclasses import replace

from rollout.directive.marks import Marks
from tests.core.directive_world import HOST, code, directed, director, image, picked, release, ring_map, run

SIX = replace(HOST, installed={"sensor": 6})


def back(counter, **custom):
    return directed(release(counter), "rollback", **custom)


def taken(checked):
    return [counter for _, counter, selected in picked(checked) if selected]


def signed(*counters, **six):
    return image(*(release(counter) for counter in counters), release(6, **six))


def test_a_host_goes_back_to_what_it_recorded_with_its_intent():
    host = replace(SIX, baselines={"sensor": 4})
    assert taken(run(director(back(3), back(4), back(5)), signed(3, 4, 5, rollback_to=3), host)) == [4]


def test_without_a_record_the_release_itself_says_where_to_go_back_to():
    assert taken(run(director(back(3), back(4), back(5)), signed(3, 4, 5, rollback_to=3), SIX)) == [3]


def test_without_either_a_host_goes_back_as_little_as_it_can():
    assert taken(run(director(back(3), back(4), back(5)), signed(3, 4, 5), SIX)) == [5]


def test_only_hosts_that_run_the_withdrawn_release_act():
    directives = director(back(4, withdraws=6))
    assert taken(run(directives, signed(4), SIX)) == [4]
    seven = replace(HOST, installed={"sensor": 7})
    assert taken(run(directives, image(release(4), release(7)), seven)) == []
    assert taken(run(directives, signed(4), replace(HOST, installed={}))) == []


def test_a_host_that_is_already_back_is_not_asked_again():
    assert taken(run(director(back(4)), signed(4))) == []


def test_a_recorded_baseline_below_the_floor_is_no_choice():
    host = replace(SIX, baselines={"sensor": 3})
    assert taken(run(director(back(3), back(5)), signed(3, 5, floor=4), host)) == [5]


def test_nothing_at_or_above_the_floor_is_refused():
    assert code(director(back(3)), signed(3, floor=4), SIX) == "floor"


def test_a_floor_counts_for_ever_once_its_release_has_run():
    marks = run(director(), signed(4, floor=4), SIX).marks
    assert marks.floors == {"sensor": 4}
    five = replace(HOST, installed={"sensor": 5})
    assert code(director(back(3)), image(release(3), release(5)), five, marks) == "floor"
    assert code(director(back(4)), image(release(4), release(5)), five, marks) is None


def test_an_unknown_floor_of_what_is_installed_is_refused_only_where_it_matters():
    unreadable = replace(release(6), custom={**release(6).custom, "floor": "4"})
    for known in ((release(4),), (release(4), unreadable)):
        assert code(director(back(4)), image(*known), SIX) == "floor"
        assert code(director(back(4, withdraws=9)), image(*known), SIX) is None


def test_a_way_back_that_is_not_this_hosts_refuses_nothing():
    marks = Marks(floors={"sensor": 5})
    five = replace(HOST, installed={"sensor": 5})
    checked = run(director(back(4, withdraws=6)), image(release(4), release(5)), five, marks)
    assert picked(checked) == [("rollback", 4, False)]


def test_a_way_back_of_another_ring_is_not_this_hosts_to_judge():
    elsewhere = ring_map(1, [["broad", 0, 10**9]])
    checked = run(director(back(3)), image(release(3), release(6, floor=4), elsewhere), SIX)
    assert picked(checked) == [("rollback", 3, False)]


def test_the_way_back_stays_open_beside_a_later_rollout():
    seven = directed(release(7), rollout="r2")
    checked = run(director(back(4, withdraws=6), seven), image(*map(release, (4, 6, 7))), SIX)
    assert picked(checked) == [("rollback", 4, True), ("install", 7, True)]
