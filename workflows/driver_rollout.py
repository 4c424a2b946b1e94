"""`DriverRollout`: opens rings, waits for their edges, promotes, completes.

Its id locks the product. The store is the truth: each round asks what is next and does it, so a workflow that is
started anew goes on where the store stands, and one that believes something else does nothing. A stop is never a
cancellation: the next question after it is answered `end`.
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from workflows import timeouts
    from workflows.activities import Forward
    from workflows.messages import Act, Due, InRing, Outcome, Task


@workflow.defn(name="DriverRollout")
class DriverRollout:
    """Forward movement of one rollout."""

    @workflow.init
    def __init__(self, task: Task) -> None:
        self._task = task
        self._acting = asyncio.Lock()
        self._due = Due("wait")

    @workflow.run
    async def run(self, task: Task) -> str:
        """Go forward until the store says that nothing goes forward any more; the last thing that was due."""
        while self._due.next != "end":
            self._due = await self._wait()
            if not await self._step(self._due):
                await workflow.sleep(timeouts.ASIDE)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return f"{task.rollout} has left forward movement"

    @workflow.query
    def due(self) -> Due:
        """What is being done now, for those who look at the engine's own page."""
        return self._due

    @workflow.update
    async def act(self, act: Act) -> Outcome:
        """A person approves or resumes. The activity decides in one transaction and answers as data."""
        async with self._acting:  # one at a time: votes are counted in the order they came
            try:
                return await workflow.execute_activity_method(
                    Forward.act,
                    act,
                    start_to_close_timeout=timeouts.ACT,
                    schedule_to_close_timeout=timeouts.ACT_IN_ALL,
                    retry_policy=timeouts.STEP_RETRY,
                )
            except ActivityError:
                problem = {"slug": "engine-unreachable", "detail": "the store did not answer in time; try again"}
                return Outcome(503, problem=problem)

    async def _wait(self) -> Due:
        return await workflow.execute_activity_method(
            Forward.await_edge,
            self._task.rollout,
            start_to_close_timeout=timeouts.WAIT,
            heartbeat_timeout=timeouts.HEARTBEAT,
            retry_policy=timeouts.WAIT_RETRY,
        )

    async def _step(self, due: Due) -> bool:
        """Do what is due; False where the store did not allow it any more."""
        steps = {"open": Forward.open_ring, "promote": Forward.promote, "complete": Forward.complete}
        if due.next not in steps:
            return due.next == "end"
        return await workflow.execute_activity_method(
            steps[due.next],
            InRing(self._task.rollout, due.ring),
            start_to_close_timeout=timeouts.STEP,
            schedule_to_close_timeout=timeouts.STEP_IN_ALL,
            retry_policy=timeouts.STEP_RETRY,
        )
