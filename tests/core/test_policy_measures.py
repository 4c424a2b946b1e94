"""Measures in a policy: what is nonsense is refused where it is read, and without any nothing changes."""

import json

import pytest

from policies.digest import canonical, digest
from policies.error import PolicyError
from policies.lint import accepted, lint
from policies.load import load
from policies.measure import MOST
from policies.profiles import names, profile

CPU = {"name": "cpu", "lowest": 0, "highest": 1, "margin": 0.02, "weight": "10%"}
WEIGHTS = {"crash": "20%"}


def policy(*measures, weights=WEIGHTS, **more):
    return load({"kind": "driver", "judge": {"weights": weights, "measures": list(measures)}} | more)


def test_a_policy_with_measures_loads_to_itself_whatever_the_spelling():
    found = accepted(policy(CPU))
    assert found.judge.measures[0].tolerated == 0.02
    assert load(found.document()) == found
    assert digest(policy(CPU | {"weight": 0.1, "highest": 1.0})) == digest(found) != digest(profile("driver"))


@pytest.mark.parametrize("name", names())
def test_a_policy_without_measures_reads_as_before_there_were_any(name):
    assert b"measures" not in canonical(profile(name))
    told = json.loads(json.dumps(profile(name).document()))
    told["judge"]["measures"] = []
    if profile(name).kind == name:
        assert digest(load(told)) == digest(profile(name))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lowest": 1}, "every number would be the same"), ({"lowest": 2}, "every number would be the same"),
        ({"margin": -0.1}, "a margin is at least 0 and below 1"), ({"margin": 1}, "a margin is at least 0 and below 1"),
        ({"margin": float("nan")}, "finite"), ({"highest": float("inf")}, "finite"), ({"lowest": "low"}, "number"),
        ({"highest": 1e16}, "1000000000000000"), ({"lowest": -1e16}, "-1000000000000000"),
        ({"name": "CPU"}, "pattern"), ({"name": ""}, "pattern"), ({"name": "c" * 64}, "pattern"),
        ({"name": 5}, "string"),
        ({"weight": 2}, "between 0 and 100%"), ({"weight": None}, "between 0 and 100%"), ({"unit": "%"}, "Extra"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_where_it_is_read(change, said):
    with pytest.raises(PolicyError) as caught:
        policy(CPU | change)
    assert any(problem.detail.startswith("judge.measures.0") and said in problem.detail
               for problem in caught.value.problems), caught.value.problems  # fmt: skip


def test_more_measures_than_a_beat_carries_are_refused():
    with pytest.raises(PolicyError, match="16"):
        policy(*[CPU | {"name": f"m{number}", "weight": 0} for number in range(MOST + 1)])


def codes(found):
    return [(problem.code, problem.detail) for problem in lint(found).refusals]


def test_lint_refuses_weights_that_do_not_sum_to_one_with_the_measures():
    assert codes(policy(CPU, weights={})) == [
        ("weights", "The weights of the guards and measures sum to 1.1, not 1."),
    ]  # fmt: skip
    assert codes(policy(CPU)) == []


def test_lint_refuses_two_measures_of_one_name_and_one_without_weight():
    found = codes(policy(CPU, CPU | {"margin": 0.5, "weight": 0}))
    assert [code for code, _ in found] == ["measure", "measure"]
    assert "Two measures are called cpu" in found[0][1]
    assert "no weight" in found[1][1]


def test_lint_warns_that_a_hand_picked_ring_is_not_judged_by_measures():
    told = json.loads(json.dumps(policy(CPU).document()))
    told["rings"][0]["select"] = {"tags": ["internal"]}
    (warning,) = [each for each in lint(load(told)).warnings if each.code == "measure"]
    assert warning.detail == "Ring canary is hand-picked: what its hosts measure is not judged."
