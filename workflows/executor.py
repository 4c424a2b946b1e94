"""The `Workflows` port over a Temporal client: connects when first needed; the connection mends itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from rollout.errors import UnreachableError
from workflows.driver_rollout import DriverRollout
from workflows.messages import FORWARD_QUEUE, ROLLBACK_QUEUE, Task, forward_id, rollback_id
from workflows.rollback import Rollback

RPC = timedelta(seconds=3)


class Executor:
    """Starts workflows by id; the engine's own uniqueness is the lock."""

    def __init__(self, address: str, namespace: str) -> None:
        self._address = address
        self._namespace = namespace
        self._client: Client | None = None

    async def client(self) -> Client:
        """A connected client; UnreachableError when the engine does not answer."""
        if self._client is None:
            async with self._answering():
                self._client = await Client.connect(self._address, namespace=self._namespace)
        return self._client

    async def answers(self) -> None:
        """Return when the engine serves our namespace: it answers this from its database."""
        client = await self.client()
        question = DescribeNamespaceRequest(namespace=self._namespace)
        async with self._answering():
            await client.workflow_service.describe_namespace(question, timeout=RPC)

    async def start_forward(self, rollout: str, product: str) -> bool:
        """Run the product's forward workflow; False when the running one works for another rollout."""
        return await self._start(DriverRollout.run, Task(rollout, product), forward_id(product), FORWARD_QUEUE)

    async def start_back(self, rollout: str, product: str) -> bool:
        """Run the rollout's way back."""
        return await self._start(Rollback.run, Task(rollout, product), rollback_id(rollout), ROLLBACK_QUEUE)

    async def _start(self, run: Any, task: Task, identity: str, queue: str) -> bool:
        """Start it unless it runs; whether the one that runs works for this rollout."""
        client = await self.client()
        async with self._answering():
            handle = await client.start_workflow(
                run,
                task,
                id=identity,
                task_queue=queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                memo={"rollout": task.rollout},
                rpc_timeout=RPC,
            )
            described = await handle.describe(rpc_timeout=RPC)
            return bool(await described.memo_value("rollout", default=None) == task.rollout)

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """Whatever the engine's trouble is, it is one error; a call that hangs is trouble too."""
        try:
            async with asyncio.timeout(2 * RPC.total_seconds()):
                yield
        except (RuntimeError, TimeoutError, RPCError) as error:  # RuntimeError: the SDK could not connect
            detail = f"the workflow engine at {self._address} does not answer ({error})"
            raise UnreachableError(detail, slug="engine-unreachable") from error
