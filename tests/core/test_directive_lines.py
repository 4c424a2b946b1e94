"""Each line of the host's rules, broken alone, is refused with its own code."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rollout.directive.check import may_activate
from rollout.directive.facts import Role
from rollout.directive.marks import Marks, RingMarks
from rollout.directive.refusal import RefusedError
from rollout.release.target import Step
from tests.core.directive_world import (
    HOST,
    NOW,
    RING,
    code,
    directed,
    director,
    image,
    picked,
    release,
    ring_map,
    roles,
    run,
)

FIVE = release(5)


def changed(**custom):
    """The code for an install whose custom is changed."""
    return code(director(directed(FIVE, **custom)), image(FIVE))


def test_a_sound_directive_is_selected_for_an_exposed_host():
    assert picked(run(director(directed(FIVE)), image(FIVE))) == [("install", 5, True)]


def test_a_host_whose_bucket_lies_above_the_exposure_waits():
    assert picked(run(director(directed(FIVE, exposure_bp=0)), image(FIVE))) == [("install", 5, False)]


def test_a_frozen_director_is_not_obeyed_once_its_lease_is_over():
    view = director(directed(FIVE))
    assert code(view, image(FIVE), now=view.lease_until) == "lease-over"
    assert code(view, image(FIVE), now=view.lease_until - timedelta(seconds=1)) is None


@pytest.mark.parametrize(
    ("issued", "expected"),
    [
        (None, "clock"),
        (12, "clock"),
        ("2026-11-22 12:00:00Z", "clock"),
        ("9999-12-31T23:59:59-23:59", "clock"),
        ("2026-11-22T12:02:01Z", "clock"),
        ("2026-11-22T12:02:00Z", None),
        ("2026-11-22T11:39:59Z", "lease-too-long"),
        ("2026-11-22T11:40:00Z", None),
    ],
)
def test_issue_time_is_present_not_ahead_and_not_far_behind_the_expiry(issued, expected):
    assert code(director(directed(FIVE), issued=issued), image(FIVE)) == expected


def test_a_clock_set_back_by_more_than_two_minutes_is_noticed():
    marks = run(director(directed(FIVE)), image(FIVE)).marks
    earlier = director(directed(FIVE), issued="2026-11-22T11:50:00Z")
    assert code(earlier, image(FIVE), marks=marks, now=NOW - timedelta(seconds=121)) == "clock"
    assert code(earlier, image(FIVE), marks=marks, now=NOW - timedelta(seconds=120)) is None


@pytest.mark.parametrize("field", ["ring", "targets_ring"])
@pytest.mark.parametrize("value", ["broad", None, 3])
def test_metadata_of_another_ring_is_refused(field, value):
    assert code(director(directed(FIVE), **{field: value}), image(FIVE)) == "wrong-ring"


def test_a_director_that_delegates_is_refused():
    assert code(director(directed(FIVE), delegates=True), image(FIVE)) == "delegation"


@pytest.mark.parametrize(
    "path",
    [
        "/sensor/5/{}.zip",
        "../sensor/5/{}.zip",
        "sensor\\5\\{}.zip",
        "c:/5/{}.zip",
        "sensor/05/{}.zip",
        "sensor/5/{}.zip\n",
        "sensör/5/{}.zip",
        "rings/5/{}.zip",
        "sensor/5/x/{}.zip",
        "sensor/99999999999999999999/{}.zip",
    ],
)
def test_a_target_name_that_is_not_exactly_of_its_form_is_refused(path):
    named = replace(FIVE, path=path.format(FIVE.hashes["sha256"]))
    assert code(director(directed(named)), image(named)) == "target-name"


@pytest.mark.parametrize(
    ("director_change", "image_change"),
    [
        ({"length": 1001}, {}),
        ({"length": True}, {"length": True}),
        ({"length": 256 * 2**20 + 1}, {"length": 256 * 2**20 + 1}),
        ({"hashes": {"sha256": "0" * 64}}, {}),
        ({"hashes": {"sha256": "0" * 64}}, {"hashes": {"sha256": "0" * 64}}),
        ({"hashes": {**FIVE.hashes, "sha512": "00"}}, {"hashes": {**FIVE.hashes, "sha512": "00"}}),
        ({}, {"path": "sensor/6/" + "0" * 64 + ".zip"}),
        ({}, {"custom": {**FIVE.custom, "hardware": ["model-x"]}}),
        ({}, {"custom": {**FIVE.custom, "policy_digest": "cd" * 32}}),
        ({}, {"custom": {**FIVE.custom, "release_counter": 6}}),
        ({}, {"custom": {**FIVE.custom, "product": "other"}}),
    ],
)
def test_what_the_two_repositories_do_not_agree_on_is_refused(director_change, image_change):
    told, signed = replace(directed(FIVE), **director_change), replace(FIVE, **image_change)
    assert code(director(told), image(signed)) == "mismatch"


def test_two_forward_directives_for_one_product_are_refused():
    six = release(6)
    assert code(director(directed(FIVE), directed(six, "hold")), image(FIVE, six)) == "mismatch"


@pytest.mark.parametrize("value", [True, -1, 10_001, 1.0, "100", None, []])
def test_exposure_is_an_integer_share(value):
    assert changed(exposure_bp=value) == "exposure"


def test_the_warrant_is_a_ceiling_that_ends():
    hour = timedelta(hours=1)
    steps = (Step(NOW - hour, 100), Step(NOW + hour, 10_000))
    limited = release(5, warrant={RING: steps})
    assert code(director(directed(limited, exposure_bp=101)), image(limited)) == "warrant"
    assert code(director(directed(limited, exposure_bp=100)), image(limited)) is None
    ended = release(5, warrant_expires=NOW)
    assert code(director(directed(ended, exposure_bp=0)), image(ended)) == "warrant"
    unnamed = release(5, warrant={"broad": steps})
    assert code(director(directed(unnamed, exposure_bp=1)), image(unnamed)) == "warrant"


def test_no_warrant_however_damaged_stops_a_hold_or_a_way_back():
    three = release(3)
    bare = {key: value for key, value in three.custom.items() if not key.startswith("warrant")}
    for signed in (replace(three, custom=bare), replace(three, custom={**bare, "warrant": 7, "warrant_expires": "no"})):
        for action in ("hold", "rollback"):
            assert code(director(directed(signed, action)), image(signed, release(4))) is None
        assert code(director(directed(signed)), image(signed, release(4)), replace(HOST, installed={})) == "warrant"


def test_an_install_below_what_is_installed_is_a_downgrade():
    three = release(3)
    assert code(director(directed(three)), image(three)) == "downgrade"


def test_an_epoch_never_goes_back_for_its_rollout():
    marks = run(director(directed(FIVE, epoch=3)), image(FIVE)).marks
    assert code(director(directed(FIVE, epoch=2)), image(FIVE), marks=marks) == "epoch"
    assert code(director(directed(FIVE, epoch=2, rollout="r2")), image(FIVE), marks=marks) is None


@pytest.mark.parametrize("host", [replace(HOST, hardware="model-z"), replace(HOST, os_build=23001)])
def test_a_release_that_does_not_fit_is_listed_and_never_activated(host):
    view = director(directed(FIVE))
    checked = run(view, image(FIVE), host)
    assert picked(checked) == [("install", 5, False)]
    with pytest.raises(RefusedError) as refused:
        may_activate(checked.directives[0], view, host, NOW)
    assert refused.value.code == "hardware"


def test_the_lease_is_asked_again_right_before_activation():
    view = director(directed(FIVE))
    chosen = run(view, image(FIVE)).directives[0]
    may_activate(chosen, view, HOST, NOW)
    with pytest.raises(RefusedError) as refused:
        may_activate(chosen, view, HOST, view.lease_until)
    assert refused.value.code == "lease-over"


def test_the_servers_word_alone_never_moves_a_host_into_the_canary():
    whole = 10**9
    signed = image(FIVE, ring_map(1, [["broad", 0, whole]], {"internal": RING}))
    assert picked(run(director(directed(FIVE)), signed)) == [("install", 5, False)]
    tagged = replace(HOST, tags=frozenset({"internal"}))
    assert picked(run(director(directed(FIVE)), signed, tagged)) == [("install", 5, True)]


def test_a_ring_map_once_seen_is_never_done_without_nor_replaced_by_an_older_one():
    here = [[RING, 0, 10**9]]
    view = director(directed(FIVE))
    marks = run(view, image(FIVE, ring_map(4, here), ring_map(3, here))).marks
    assert marks.maps == {"sensor": 4}
    assert code(view, image(FIVE), marks=marks) == "wrong-ring"
    assert code(view, image(FIVE, ring_map(3, here)), marks=marks) == "wrong-ring"
    assert code(view, image(FIVE, ring_map(5, here)), marks=marks) is None
    misnamed = replace(ring_map(5, here), path="rings/sensor/6.json")
    assert code(view, image(FIVE, misnamed), marks=marks) == "wrong-ring"


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_versions_go_back_only_under_new_keys(role):
    marks = run(director(directed(FIVE)), image(FIVE)).marks
    older = director(directed(FIVE), roles=roles(**{role: 4}))
    assert code(older, image(FIVE), marks=marks) == "metadata"
    assert code(director(directed(FIVE)), image(FIVE, **{role: 4}), marks=marks) == "metadata"
    rotated = replace(older, roles=roles(keys="new", **{role: 4}))
    assert code(rotated, image(FIVE), marks=marks) is None


def test_the_root_itself_never_goes_back_not_even_under_other_keys():
    marks = Marks(RingMarks(roles={"root": Role(2, "old")}))
    assert code(director(directed(FIVE)), image(FIVE), marks=marks) == "metadata"
