"""Limits per site and role: what a policy lets one site lose at once, and who waits for which ring."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.load import load
from rollout.exposure import place
from rollout.plan import InventoryHost, ReleaseFacts, plan
from rollout.ringmap import HELD_OUT
from rollout.turn import Seat, turn_of_newcomer, turns

RELEASE = ReleaseFacts("filter", 7, ("*",), (0, 2**32 - 1))


def policy_of(*limits, hold_out="5%"):
    sizes = ({"hosts": 10}, {"share": "20%"}, {"rest": True})
    rings = [
        {"name": name, "size": size, "limits": limit}
        for name, size, limit in zip(("canary", "early", "all"), sizes, limits, strict=True)
    ]
    return load({"schema": "rollout.policy/1", "name": "p", "kind": "content", "hold_out": hold_out, "rings": rings})


def planned(policy, hosts):
    return plan(policy, RELEASE, hosts, (), salt="s", n=1)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["yul", "zrh", None]), st.sampled_from(["till", "desk"])), min_size=40,
             max_size=200),
    st.integers(5, 60), st.integers(5, 60), st.integers(60, 100),
)  # fmt: skip
def test_at_every_ring_no_site_and_no_role_is_above_its_share(places, first, role, second):
    policy = policy_of(
        {"site": f"{first}%", "role": f"{role}%"}, {"site": f"{second}%", "role": "100%"}, None, hold_out="0%"
    )
    hosts = [InventoryHost(f"h{i}", "d", 1, "m", site=site, role=job) for i, (site, job) in enumerate(places)]
    found = planned(policy, hosts)
    order = [ring.name for ring in policy.rings]
    begins = {seen.host: order.index(found.turn.get(seen.host, found.members[seen.host])) for seen in hosts}
    assert all(begins[host] > order.index(found.members[host]) for host in found.turn), "nobody comes sooner"
    assert found.ineligible == {}, "the last ring takes everybody"
    for index, ring in enumerate(policy.rings[:2]):
        for what, share in (("site", ring.limits.site), ("role", ring.limits.role)):
            total = Counter(getattr(seen, what) for seen in hosts)
            through = Counter(getattr(seen, what) for seen in hosts if begins[seen.host] <= index)
            assert all(through[name] <= share * total[name] + 1e-6 for name in total)
    assert [ring.eligible for ring in found.rings] == [list(begins.values()).count(i) for i in range(3)]


def test_without_limits_everybody_comes_with_its_own_ring():
    hosts = [InventoryHost(f"h{i}", "d", 1, "m", site="yul") for i in range(100)]
    assert planned(policy_of(None, {"site": None}, None), hosts).turn == {}


def test_who_no_ring_has_room_for_never_adopts_and_is_listed():
    limit = {"site": "50%"}
    hosts = [InventoryHost(f"h{i}", "d", 1, "m", site="yul") for i in range(100)]
    found = planned(policy_of(limit, limit, limit), hosts)
    assert sum(ring.eligible for ring in found.rings) == 50
    assert Counter(found.ineligible.values()) == {"limits": 100 - found.held_out - 50}


def test_a_ring_without_hosts_of_its_own_opens_for_nobody():
    policy = policy_of({"site": "1%"}, None, None)
    seats = [Seat("a", "canary", 1, "yul", None), Seat("b", "all", 2, "zrh", None)]
    assert turns(policy, seats, [("yul", None), ("zrh", None)]) == {"a": "all"}


def test_hosts_of_no_known_site_are_of_one_site():
    policy = policy_of({"site": "10%"}, None, None)
    hosts = [InventoryHost(f"h{i}", "d", 1, "m") for i in range(50)]
    found = planned(policy, hosts)
    assert found.rings[0].eligible == 5
    assert len(found.turn) == 5


@pytest.mark.parametrize(("ring", "turn"), [("canary", "all"), ("early", "all"), ("all", "all")])
def test_a_newcomer_takes_no_room_that_was_shared_out_without_it(ring, turn):
    policy = policy_of({"site": "10%"}, {"site": "30%"}, None)
    assert turn_of_newcomer(policy, ring) == turn
    found = planned(policy, [InventoryHost(f"h{i}", "d", 1, "m", site="yul") for i in range(200)])
    names = (f"late{i}" for i in range(10_000))
    late = next(name for name in names if found.ring_map.ring_of(name) == ring)
    placed = place(policy, found.ring_map, found.strata, RELEASE, InventoryHost(late, "d", 1, "m", site="yul"))
    assert (placed.ring, placed.turn, placed.ineligible) == (ring, None if turn == ring else turn, None)


def test_a_held_out_newcomer_has_no_turn():
    policy = policy_of({"site": "10%"}, None, None)
    found = planned(policy, [InventoryHost(f"h{i}", "d", 1, "m", site="yul") for i in range(200)])
    late = next(name for i in range(10_000) if found.ring_map.ring_of(name := f"late{i}") == HELD_OUT)
    assert place(policy, found.ring_map, found.strata, RELEASE, InventoryHost(late, "d", 1, "m")).turn is None
