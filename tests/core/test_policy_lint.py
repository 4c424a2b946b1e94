from datetime import timedelta

import pytest

from policies import profiles
from policies.error import PolicyError
from policies.lint import accepted, lint
from policies.load import load
from policies.suitability import check_release_kind, for_release


def refused(text):
    return {problem.code for problem in lint(load(text)).refusals}


@pytest.mark.parametrize("name", profiles.names())
def test_shipped_profiles_pass_without_a_word(name):
    found = lint(profiles.profile(name))
    assert found.refusals == ()
    assert found.warnings == ()


@pytest.mark.parametrize("seconds", [1, 2, 5])
def test_the_demo_profile_holds_for_every_heartbeat_of_its_fleets(seconds):
    assert lint(profiles.profile("demo").model_copy(update={"heartbeat": timedelta(seconds=seconds)})).refusals == ()


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ("rings: [{}, {size: {share: 5%}}]", "rest"),
        ("rings: [{size: {rest: true}}, {}]", "rest"),
        ("rings: [{name: a}, {name: a}]", "ring-name"),
        ("rings: [{name: held-out}, {}]", "ring-name"),
        ("rings: [{size: {hosts: 900}}, {size: {hosts: 800}}, {}]", "exposure"),
        ("rings: [{size: {share: 10%}}, {size: {share: 9%}}, {}]", "exposure"),
        ("rings: [{size: {share: 60%}}, {size: {share: 60%}}, {}]", "size"),
        ("rings: [{budget: 0.5}, {}]", "budget"),
        ("judge: {weights: {crash: 0.5}}", "weights"),
        ("judge: {pause_at: 200}", "thresholds"),
        ("rings: [{approval: {role: nobody, persons: 1, timeout: 1h}}, {}]", "role"),
        ("rings: [{}, {approval: {role: approver, persons: 1, timeout: 1h}}]", "approval"),
        ("rings: [{promote: {margin: null}}, {}]", "margin"),
        ("rings: [{promote: {margin: 1}}, {}]", "margin"),
        ("rings: [{promote: {early_life: 1%}}, {}]", "early-life"),
        ("rings: [{promote: {early_life: null}}, {}]", "early-life"),
        ("rings: [{promote: {early_life: 0}}, {}]", "early-life"),
        ("rings: [{bake: {min: 121h}}, {}]", "bake"),
        ("confirm: {deadline: 10m}", "overdue"),
        ("confirm: {overdue: 12m}", "overdue"),
        ("confirm: {dark_after: 1m}", "dark-after"),
        ("lease: 4s", "lease"),
        ("lease: 31m", "lease"),
        ("rings: [{limits: {site: 0%}}, {}]", "limits"),
        ("rings: [{}, {limits: {role: 50%}}]", "limits"),
        ("rings: [{opens: {after: '16:00', before: '09:00', days: [mon], zone: UTC}}, {}]", "opens"),
        ("rings: [{opens: {after: '09:00', before: '16:00', days: [mon], zone: Mars/Base}}, {}]", "opens"),
    ],
)
def test_a_policy_that_cannot_keep_its_word_is_refused(rules, code):
    assert refused(f"kind: driver\n{rules}") == {code}


def test_the_smallest_ring_that_proves_its_limit_is_accepted():
    ring = "rings: [{{size: {{hosts: {0}}}, promote: {{early_life: 9%}}}}, {{}}]"
    assert refused("kind: driver\n" + ring.format(60)) == set()
    assert refused("kind: driver\n" + ring.format(59)) == {"early-life"}


def test_an_early_life_limit_of_everything_is_allowed_with_a_warning():
    found = lint(load("{kind: content, rings: [{promote: {early_life: 100%}, size: {hosts: 1}}, {}]}"))
    assert found.refusals == ()
    assert [problem.code for problem in found.warnings] == ["early-life"]


def test_accepting_says_everything_that_is_wrong():
    with pytest.raises(PolicyError) as error:
        accepted(load("{kind: content, lease: 1h, judge: {pause_at: 100}}"))
    assert {problem.code for problem in error.value.problems} == {"lease", "thresholds"}
    assert accepted(profiles.profile("content")) is profiles.profile("content")


def test_a_driver_never_runs_under_a_weaker_policy():
    assert [problem.code for problem in check_release_kind(profiles.profile("content"), "driver")] == ["weaker-policy"]
    assert check_release_kind(profiles.profile("driver"), "driver") == ()
    assert check_release_kind(profiles.profile("hotfix"), "driver") == ()
    toothless = load("{kind: hotfix, rings: [{promote: {margin: null}}, {}]}")
    assert [problem.code for problem in check_release_kind(toothless, "driver")] == ["weaker-policy"]
    with pytest.raises(PolicyError):
        for_release(toothless, "driver")


def test_a_hotfix_has_the_gates_of_its_release():
    hotfix, driver = profiles.profile("hotfix"), profiles.profile("driver")
    assert for_release(hotfix, "driver") is hotfix
    assert {ring.promote.margin for ring in for_release(hotfix, "content").rings} == {None}
    assert for_release(driver, "content") is driver
    for fast, slow in zip(hotfix.rings, driver.rings, strict=True):
        assert fast.promote == slow.promote
        assert (fast.first_batch, fast.budget, fast.max_dark) == (slow.first_batch, slow.budget, slow.max_dark)
        assert fast.bake.min < slow.bake.min
    assert (hotfix.judge, hotfix.confirm) == (driver.judge, driver.confirm)
