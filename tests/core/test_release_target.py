from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.release import manifest
from rollout.release.target import NO_POLICY, FieldError, Step, TargetFacts, added, path
from tests.attacks import hostile_package as craft

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RELEASE = manifest.Manifest.model_validate(craft.manifest(rollback_to=290))
DIGEST = "ab" * 32
WARRANT = {"canary": (Step(NOW, 100), Step(NOW + timedelta(days=1), 10_000))}
STARTED = added(RELEASE, NOW).warranted(DIGEST, WARRANT, NOW + timedelta(days=30))
CUSTOM = STARTED.to_custom()


def test_a_release_is_added_with_a_warrant_for_nothing():
    custom = added(RELEASE, NOW).to_custom()
    assert (custom["warrant"], custom["warrant_expires"], custom["policy_digest"]) == (
        {},
        "2026-11-22T12:00:00Z",
        NO_POLICY,
    )
    assert TargetFacts.from_custom(custom).ceiling("canary", NOW - timedelta(days=1)) == 0


def test_a_started_release_carries_its_policy_and_warrant():
    assert CUSTOM["warrant"] == {"canary": [["2026-11-22T12:00:00Z", 100], ["2026-11-23T12:00:00Z", 10000]]}
    assert CUSTOM["policy_digest"] == DIGEST
    assert CUSTOM["rollback_to"] == 290


def test_what_is_written_is_what_is_read():
    assert TargetFacts.from_custom(CUSTOM) == STARTED


@pytest.mark.parametrize(
    ("ring", "hours", "ceiling"),
    [("canary", -1, 0), ("canary", 0, 100), ("canary", 24, 10_000), ("canary", 720, 0), ("broad", 1, 0)],
)
def test_the_ceiling_is_that_of_the_last_step_begun(ring, hours, ceiling):
    assert STARTED.ceiling(ring, NOW + timedelta(hours=hours)) == ceiling


def test_a_later_step_may_lower_the_ceiling():
    steps = {"canary": (Step(NOW, 5000), Step(NOW + timedelta(hours=1), 100))}
    assert STARTED.warranted(DIGEST, steps, NOW + timedelta(days=1)).ceiling("canary", NOW + timedelta(hours=2)) == 100


def test_absent_and_null_rollback_to_are_the_same():
    assert TargetFacts.from_custom({**CUSTOM, "rollback_to": None}).rollback_to is None
    assert TargetFacts.from_custom({k: v for k, v in CUSTOM.items() if k != "rollback_to"}).rollback_to is None


@pytest.mark.parametrize("field", [field for field in CUSTOM if field != "rollback_to"])
def test_a_missing_field_is_named(field):
    with pytest.raises(FieldError) as refused:
        TargetFacts.from_custom({k: v for k, v in CUSTOM.items() if k != field})
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", "rollout.target/2"),
        ("product", "Sensor"),
        ("product", "sensor\n"),
        ("release_counter", True),
        ("release_counter", 1.0),
        ("release_counter", "1"),
        ("floor", -1),
        ("kind", "hotfix"),
        ("hardware", "*"),
        ("hardware", [1]),
        ("os_builds", [1]),
        ("os_builds", [1, True]),
        ("needs_reboot", 1),
        ("policy_digest", "AB" * 32),
        ("rollback_to", False),
        ("warrant", []),
        ("warrant", {"canary": {}}),
        ("warrant", {"Canary!": []}),
        ("warrant", {"canary": [["2026-11-22T12:00:00Z"]]}),
        ("warrant", {"canary": [[5, 100]]}),
        ("warrant", {"canary": [["2026-11-22T12:00:00Z", 10_001]]}),
        ("warrant", {"canary": [["2026-11-22T12:00:00Z", True]]}),
        ("warrant", {"canary": [["2026-11-23T12:00:00Z", 1], ["2026-11-22T12:00:00Z", 2]]}),
        ("warrant_expires", "2026-11-22"),
        ("warrant_expires", "2026-11-22T12:00:00+01:00"),
        ("warrant_expires", "2026-13-22T12:00:00Z"),
        ("warrant_expires", 5),
    ],
)
def test_an_ill_typed_field_is_named(field, value):
    with pytest.raises(FieldError) as refused:
        TargetFacts.from_custom({**CUSTOM, field: value})
    assert refused.value.field == field


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))


@given(st.sampled_from(sorted(CUSTOM)), JSON)
def test_any_other_value_is_read_or_refused_by_its_field(field, value):
    refused = None
    try:
        TargetFacts.from_custom({**CUSTOM, field: value})
    except FieldError as error:
        refused = error.field
    assert refused in {None, field}


@pytest.mark.parametrize(
    ("hardware", "build", "fits"), [("x", 26100, True), ("x", 19041, True), ("x", 19040, False), ("x", 26101, False)]
)
def test_os_builds_are_inclusive_and_a_star_is_any_hardware(hardware, build, fits):
    assert STARTED.fits(hardware, build) is fits


def test_no_hardware_fits_nothing():
    assert not TargetFacts.from_custom({**CUSTOM, "hardware": []}).fits("x", 26100)
    assert not TargetFacts.from_custom({**CUSTOM, "hardware": ["y"]}).fits("x", 26100)


def test_a_target_path_names_product_counter_and_digest():
    assert path("sensor", 291, DIGEST) == f"sensor/291/{DIGEST}.zip"
