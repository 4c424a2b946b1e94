"""`Rollback`: directs every touched host back to what it ran, and waits until they are.

Own task queue, own slots, unlimited attempts: the way back never waits behind forward work and never gives up.
The worker's publisher turns the directives by itself, engine or not; this workflow makes sure of it and ends it.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows import timeouts
    from workflows.activities import Back
    from workflows.messages import Task


@workflow.defn(name="Rollback")
class Rollback:
    """The way back of one rollout."""

    @workflow.run
    async def run(self, task: Task) -> str:
        """Publish the way back, wait for the hosts, finish."""
        await workflow.execute_activity_method(
            Back.publish_back,
            task.rollout,
            start_to_close_timeout=timeouts.STEP,
            retry_policy=timeouts.BACK_RETRY,
        )
        await workflow.execute_activity_method(
            Back.await_back,
            task.rollout,
            start_to_close_timeout=timeouts.WAIT,
            heartbeat_timeout=timeouts.HEARTBEAT,
            retry_policy=timeouts.BACK_RETRY,
        )
        return f"{task.rollout} is rolled back"
