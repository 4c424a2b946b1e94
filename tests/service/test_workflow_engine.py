"""The engine dies, comes back, or comes back without its memory: the store is the truth."""

import asyncio

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.worker import Worker as TemporalWorker

from rollout.admission import Wait
from rollout.operation import admit
from rollout.operation.freshness import Freshness
from rollout.operation.record import Memory
from rollout.operation.standing import Watching
from rollout.operation.stop import halt, pause, roll_back
from tests.service.workflow_world import APPROVAL, OLD, PRODUCT, policy, until, world
from workflows.executor import Executor
from workflows.messages import FORWARD_QUEUE, Task, forward_id

pytestmark = pytest.mark.slow


@pytest.fixture
def here(tmp_path):
    with world(tmp_path) as found:
        yield found


def test_a_killed_engine_goes_on_where_it_was(here):
    here.worker()
    rollout = here.start()
    until(lambda: here.adoptions(rollout), what="an adoption")
    here.engine.kill()
    until(lambda: here.rings(rollout)["canary"] == "baking", 20, "judging and admission without the engine")
    assert here.rings(rollout)["canary"] == "baking", "nothing is promoted without the engine"
    here.engine.start()
    until(lambda: here.rings(rollout)["early"] != "waiting", 20, "the next ring")


def test_a_lost_engine_database_costs_nothing_but_time_in_every_state(here):
    here.worker()
    rollout = here.start(policy(approval=APPROVAL))
    until(lambda: here.adoptions(rollout), what="an adoption")

    here.engine.lose()  # running
    here.engine.start()
    here.until_state(rollout, "awaiting-approval")

    here.engine.lose()  # awaiting approval
    here.engine.start()
    until(lambda: _acts(here, "approve"), 20, "the approval")
    until(lambda: here.rings(rollout)["early"] != "waiting", 20, "the next ring")

    here.write(lambda tx: pause(tx, rollout, "oscar", "look"))
    here.engine.lose()  # paused
    here.engine.start()
    until(lambda: _acts(here, "resume"), 20, "the resume")
    assert here.state(rollout) == "running"
    until(lambda: len(here.adoptions(rollout)) > 9, 20, "adoptions in the next ring")

    here.fleet.returning = False
    here.write(lambda tx: roll_back(tx, rollout, "oscar", "enough"))
    until(lambda: here.workflow(f"rollback-{rollout}") == "RUNNING", 10, "the way back")
    here.engine.lose()  # rolling back
    here.fleet.returning = True
    here.engine.start()
    here.until_state(rollout, "rolled-back")
    assert {host.running for host in here.fleet.hosts} == {OLD}
    assert all(adoption.rolled_back for adoption in here.adoptions(rollout))


def test_a_rollback_asked_for_while_the_engine_is_down_runs_when_it_is_back(here):
    here.worker()
    rollout = here.start()
    until(lambda: here.adoptions(rollout), what="an adoption")
    here.engine.kill()
    here.write(lambda tx: halt(tx, rollout, "oscar", None))
    here.write(lambda tx: roll_back(tx, rollout, "oscar", "enough"))
    until(lambda: {host.running for host in here.fleet.hosts} == {OLD}, 10, "directives without the engine")
    assert here.state(rollout) == "rolling-back"
    here.engine.start()
    here.until_state(rollout, "rolled-back")


def test_no_go_while_the_engine_is_away_for_longer_than_15_seconds(here):
    here.worker()
    rollout = here.start()
    here.fleet.asking = False
    until(lambda: _directed(here, rollout), what="the first directive")
    here.engine_seen()
    fresh, late = Freshness(), [0.0]
    watching = Watching(fresh, lambda: here.clock.elapsed() + late[0], lambda: "a" * 16)
    for _ in range(2):
        here.engine_seen()
        fresh.observe("engine", here.read(lambda tx: tx.beacons.all("engine"))["engine"][2], here.clock.elapsed())
    here.engine.kill()
    late[0] = 15.1  # as if that long had passed since

    def why() -> str:
        answer = _ask(here, rollout, watching)
        assert isinstance(answer, Wait)
        return answer.why

    until(lambda: why() == "the engine was not seen lately", 10, "the hindrance")
    assert not here.adoptions(rollout)


@workflow.defn(name="DriverRollout")
class OtherCode:
    """What another version of us might have done by now."""

    @workflow.run
    async def run(self, _: Task) -> None:
        while True:
            await workflow.sleep(1)


def test_a_workflow_of_other_code_is_ended_and_the_rollout_goes_on(here):
    rollout = here.start()
    asyncio.run(_other_code(here, rollout))
    assert here.workflow(forward_id(PRODUCT)) == "RUNNING"
    here.worker()
    until(lambda: here.rings(rollout)["canary"] != "waiting", 20, "the first ring")


async def _other_code(here, rollout):
    """Let other code run the product's workflow for a while, and go away."""
    engine = here.engine.engine
    client = await Client.connect(engine.address, namespace=engine.namespace)
    other = TemporalWorker(
        client,
        task_queue=FORWARD_QUEUE,
        workflows=[OtherCode],
        workflow_runner=UnsandboxedWorkflowRunner(),
        build_id="other",
    )
    async with other:
        assert await Executor(engine.address, engine.namespace).start_forward(rollout, PRODUCT)
        handle = client.get_workflow_handle(forward_id(PRODUCT))
        while (await handle.describe()).history_length < 8:  # noqa: ASYNC110 - the engine has no event for it
            await asyncio.sleep(0.05)


def _acts(here, kind: str) -> bool:
    """Whether the act is taken; the engine may just be starting the workflow."""
    try:
        return here.act(kind, "bob")["status"] == 200
    except Exception:
        return False


def _directed(here, rollout):
    found = here.read(lambda tx: tx.publications.repository("director/canary"))
    return found is not None and any(custom["rollout"] == rollout for custom in found.directives.values())


def _ask(here, rollout, watching):
    """The question of the canary's first host."""
    members = here.read(lambda tx: tx.rollouts.members(rollout))
    key = next(member.host for member in members if member.ring == "canary")
    name = next(host.name for host in here.fleet.hosts if host.key == key)
    version = here.read(lambda tx: tx.publications.repository("director/canary")).versions["targets"]
    question = admit.Question(name, PRODUCT, OLD + 1, f"{OLD + 1:064x}", "b1", version)
    (answer,) = here.write(lambda tx: admit.admit(tx, [admit.Row(question)], Memory(), watching))
    return answer
