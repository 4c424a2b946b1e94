"""Rollouts from start to end on a real engine, over a real store."""

import asyncio

import pytest

from rollout.operation.stop import halt
from tests.service.workflow_world import APPROVAL, OLD, PRODUCT, policy, until, world
from workflows.executor import Executor

pytestmark = pytest.mark.slow


@pytest.fixture
def here(tmp_path):
    with world(tmp_path) as found:
        yield found


def test_a_good_release_completes_through_all_rings_and_the_next_one_begins_at_once(here):
    here.worker()
    first = here.start()
    here.until_state(first, "completed")
    assert set(here.rings(first).values()) == {"promoted"}
    assert {adoption.state for adoption in here.adoptions(first)} == {"confirmed"}
    assert here.audit(first).count("ring.opened") == 3

    here.release(OLD + 2)
    second = here.start(counter=OLD + 2)
    until(lambda: here.rings(second)["canary"] != "waiting", 4, "the next rollout's first ring")


def test_a_ring_is_promoted_by_somebody_who_did_not_start_it(here):
    here.worker()
    rollout = here.start(policy(approval=APPROVAL))
    here.until_state(rollout, "awaiting-approval")
    assert here.rings(rollout)["early"] == "waiting"

    assert here.act("approve", "ann")["problem"]["slug"] == "own-rollout"
    assert here.act("approve", "bob", revision=0)["problem"]["slug"] == "stale-evidence"
    assert here.act("halt", "bob")["problem"]["slug"] == "unknown-act"
    assert here.state(rollout) == "awaiting-approval"
    other = asyncio.run(Executor(here.engine.engine.address, "rollout").start_forward("r99", PRODUCT))
    assert other is False, "the product's workflow works for another rollout"

    here.agree("approve", "bob")
    assert here.rings(rollout)["canary"] == "promoted"
    until(lambda: here.rings(rollout)["early"] != "waiting", what="the next ring")


def test_a_persons_halt_ends_the_forward_workflow_and_nothing_adopts_after_it(here):
    here.worker()
    rollout = here.start()
    until(lambda: here.adoptions(rollout), what="an adoption")
    here.write(lambda tx: halt(tx, rollout, "oscar", "enough"))
    granted = len(here.adoptions(rollout))
    until(lambda: here.workflow(f"rollout-{PRODUCT}") == "COMPLETED", 10, "the workflow's end")
    here.engine_seen()
    assert len(here.adoptions(rollout)) == granted
    assert here.state(rollout) == "halted"
