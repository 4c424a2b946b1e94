import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import profiles
from policies.load import load
from rollout.errors import ConflictError
from rollout.exposure import forecast, place
from rollout.plan import InventoryHost, ReleaseFacts, merged_strata, plan, stratum_among, stratum_name
from rollout.ringmap import HELD_OUT, POINTS, RingMap

RELEASE = ReleaseFacts("filter", 7, ("*",), (0, 2**32 - 1))


def fleet(size, **changes):
    return [InventoryHost(f"h-{i:06}", "desktop", 22631, "model-x", **changes) for i in range(size)]


def sizes(result):
    return {ring.name: ring.hosts for ring in result.rings}


@given(
    size=st.integers(3, 400),
    salt=st.text("abc", min_size=1, max_size=5),
    counts=st.lists(st.one_of(st.integers(1, 80), st.sampled_from(["1%", "20%"])), min_size=1, max_size=4),
    tagged=st.sets(st.integers(0, 399), max_size=30),
    hold_out=st.sampled_from([0, "5%", "30%"]),
)
@settings(max_examples=60, deadline=None)
def test_every_host_is_in_exactly_the_ring_that_the_signed_map_tells_it(size, salt, counts, tagged, hold_out):
    rings = [
        {"name": f"r{i}", "size": {"hosts": count} if isinstance(count, int) else {"share": count}}
        for i, count in enumerate(counts)
    ]
    rings[-1]["select"] = {"tags": ["vip"]}
    policy = load({"kind": "content", "hold_out": hold_out, "rings": [*rings, {"name": "all"}]})
    hosts = [InventoryHost(f"h{i}", "d", 1, "m", ("vip",) if i in tagged else ()) for i in range(size)]
    result = plan(policy, RELEASE, hosts, (), salt=salt, n=1)
    signed = RingMap.from_custom(result.ring_map.to_custom())
    assert {seen.host: signed.ring_of(seen.host, seen.tags) for seen in hosts} == result.members
    assert sum(sizes(result).values()) + result.held_out == size
    covered = sorted((lo, hi) for _, lo, hi in signed.rings)
    assert covered[0][0] == 0
    assert covered[-1][1] == POINTS
    left = size - result.held_out - len([seen for seen in hosts if seen.tags])
    for i, (count, ring) in enumerate(zip(counts, result.rings, strict=False)):
        asked = count if isinstance(count, int) else max(1, int(int(count[:-1]) * size / 100 + 0.5))
        own = len([seen for seen in hosts if seen.tags]) if i == len(counts) - 1 else 0
        topped_up = min(left, max(0, asked - own))
        assert ring.hosts == own + topped_up
        left -= topped_up


@pytest.mark.parametrize(("size", "held_out"), [(1, 0), (3, 1), (12, 4), (30, 10), (100, 10), (200, 10), (1000, 50)])
def test_the_control_group_is_a_share_but_at_least_ten_or_a_third(size, held_out):
    assert plan(profiles.profile("content"), RELEASE, fleet(size), (), salt="s", n=1).held_out == held_out


def test_the_reference_fleet_gets_the_reference_rings():
    hosts = fleet(100_000)
    started = time.process_time()
    result = plan(profiles.profile("driver"), RELEASE, hosts, (), salt="s", n=1)
    assert time.process_time() - started < 4, "2 s on a quiet machine"
    assert sizes(result) == {"canary": 100, "early": 900, "broad": 9000, "wide": 40000, "everyone": 45000}
    assert result.held_out == 5000
    assert Counter(result.members.values())[HELD_OUT] == 5000


def test_an_empty_ring_is_listed_but_not_in_the_map_and_the_last_with_hosts_is_last():
    result = plan(profiles.profile("driver"), RELEASE, fleet(150), (), salt="s", n=1)
    assert sizes(result) == {"canary": 100, "early": 40, "broad": 0, "wide": 0, "everyone": 0}
    assert [name for name, _, _ in result.ring_map.rings] == [HELD_OUT, "canary", "early"]
    assert result.last_ring == "early"


def test_the_demo_reaches_its_early_life_limits_from_200_hosts_on():
    result = plan(profiles.profile("demo"), RELEASE, fleet(200), (), salt="s", n=1)
    assert sizes(result) == {"canary": 64, "early": 60, "everyone": 66}


def test_another_salt_rotates_the_canary_burden():
    first, second = (plan(profiles.profile("content"), RELEASE, fleet(2000), (), salt=s, n=1).members for s in "ab")
    shared = [host for host, ring in first.items() if ring == second[host] == "canary"]
    assert len(shared) < 30


def test_hosts_on_one_point_at_a_boundary_are_parted_by_another_salt(monkeypatch):
    real = plan.__globals__["point"]
    monkeypatch.setitem(plan.__globals__, "point", lambda salt, host: 5 if salt == "s" else real(salt, host))
    result = plan(profiles.profile("content"), RELEASE, fleet(300), (), salt="s", n=1)
    assert result.ring_map.salt == "s-1"
    assert sizes(result)["canary"] == 100


def test_a_host_that_runs_an_unknown_release_stops_the_start_unless_skipped():
    hosts = [*fleet(50, running=3), *(InventoryHost(f"odd-{i:02}", "d", 1, "m", running=99) for i in range(25))]
    with pytest.raises(ConflictError) as refused:
        plan(profiles.profile("content"), RELEASE, hosts, {3}, salt="s", n=1)
    assert refused.value.slug == "unstored-baseline"
    assert "odd-19" in str(refused.value)
    assert "odd-20" not in str(refused.value)
    skipped = plan(profiles.profile("content"), RELEASE, hosts, {3}, salt="s", n=1, skip_unstored=True)
    assert len(skipped.unstored) == 25
    assert sum(ring.eligible for ring in skipped.rings) <= 50


def test_only_hosts_that_fit_and_run_less_are_eligible_and_each_other_has_its_reason():
    release = ReleaseFacts("filter", 7, ("model-x",), (100, 200), floor=5, rollback_to=4)
    hosts = [
        InventoryHost("fits", "d", 200, "model-x", running=6),
        InventoryHost("fresh", "d", 100, "model-x"),
        InventoryHost("stranded", "d", 150, "model-x", running=4),
        InventoryHost("model", "d", 150, "model-y", running=6),
        InventoryHost("build", "d", 201, "model-x", running=6),
        InventoryHost("newer", "d", 150, "model-x", running=7),
    ]
    policy = load("{kind: content, hold_out: 0}")
    result = plan(policy, release, hosts, {4, 6, 7}, salt="s", n=1)
    assert result.ineligible == {"model": "hardware", "build": "os-build", "newer": "running"}
    assert result.stranded == ("stranded",)
    assert result.baseline["fresh"] is None
    assert result.baseline["fits"] == 6
    assert (result.rings[0].hosts, result.rings[0].eligible) == (6, 3)


def test_a_fleet_without_hosts_proves_nothing_and_cannot_be_planned():
    with pytest.raises(ConflictError) as refused:
        plan(profiles.profile("content"), RELEASE, [], (), salt="s", n=1)
    assert refused.value.slug == "no-hosts"


def test_a_stratum_is_named_in_lower_case_letters_digits_and_dashes():
    assert stratum_name("Laptop", 22631, "ACME X_1.é") == "laptop-22631-acme-x-1--"


def test_small_strata_lose_the_model_then_the_build_then_their_name():
    def some(count, form, build, model):
        return [InventoryHost(f"{form}{build}{model}{i}", form, build, model) for i in range(count)]

    hosts = [
        *some(20, "desktop", 1, "big"),
        *(host for model in "abc" for host in some(7, "desktop", 1, model)),
        *(host for build in (2, 3) for host in some(10, "desktop", build, "m")),
        *some(19, "server", 9, "m"),
    ]
    assert merged_strata(hosts) == {"desktop-1-big", "desktop-1", "desktop", "other"}
    result = plan(profiles.profile("content"), RELEASE, hosts, (), salt="s", n=1)
    assert Counter(result.stratum.values()) == {"desktop-1-big": 20, "desktop-1": 21, "desktop": 20, "other": 19}
    assert set(result.strata) == set(result.stratum.values())
    assert stratum_among(result.strata, "tablet", 1, "new") == "other"


def test_a_newcomer_is_placed_by_the_map_and_moves_nothing():
    result = plan(profiles.profile("content"), RELEASE, fleet(500), (), salt="s", n=1)
    late = InventoryHost("late", "desktop", 22631, "model-x")
    placed = place(profiles.profile("content"), result.ring_map, result.strata, RELEASE, late)
    assert placed.ring == result.ring_map.ring_of("late")
    assert placed.stratum == "desktop-22631-model-x"
    assert placed.ineligible is None


def test_the_forecast_says_how_soon_at_best_and_what_a_lethal_release_would_harm():
    driver, content = profiles.profile("driver"), profiles.profile("content")
    hosts = fleet(100_000)
    slow = forecast(driver, plan(driver, RELEASE, hosts, (), salt="s", n=1))
    fast = forecast(content, plan(content, RELEASE, hosts, (), salt="s", n=1))
    assert slow.lethal_harm == fast.lethal_harm == 5
    assert 0.3 < fast.hours_at_best < 1
    assert 10 < slow.hours_at_best < 48
    assert [ring.name for ring in fast.rings] == ["canary", "early", "broad", "everyone"]
    few = plan(content, RELEASE, fleet(3), (), salt="s", n=1)
    assert forecast(content, few).lethal_harm == 2
