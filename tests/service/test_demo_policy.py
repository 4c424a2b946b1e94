import pytest
from click.testing import CliRunner

from policies.load import load
from rollout.judge.reach import reach
from rollout.operation.lint import ring_sizes
from rollout.plan import InventoryHost
from rollout.service.cli.services import LEAST_HOSTS, SCENARIOS, demo_command
from rollout.service.cli.session import Session
from rollout.service.demo import scenarios


@pytest.mark.parametrize("hosts", [LEAST_HOSTS, 31, 44, 64, 99, 100, 133, 150, 199, 200, 201, 2_000])
@pytest.mark.parametrize("fast", [False, True])
def test_every_ring_of_a_demonstration_can_show_what_its_policy_asks(hosts, fast):
    policy = load(scenarios.policy(hosts, fast=fast))
    fleet = [InventoryHost(f"h-{number}", "desktop", 22631, "model-x", running=1) for number in range(hosts)]
    sizes = ring_sizes(policy, fleet)
    assert all(each.reachable for each in reach(policy, sizes, hosts, 1e-4))
    assert sizes["canary"] >= scenarios.FIRST_BATCH
    assert sizes["held-out"] >= 10


def test_a_demonstration_is_as_asked_for_or_a_usage_error():
    assert set(SCENARIOS) == set(scenarios.SCENARIOS)
    done = CliRunner().invoke(demo_command, ["--hosts", str(LEAST_HOSTS - 1)], obj=Session())
    assert done.exit_code == 2
    assert str(LEAST_HOSTS) in done.output
