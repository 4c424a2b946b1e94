"""The `Workflows` port over a Temporal client: connects when first needed, and again after a failure."""

from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle
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
            try:
                self._client = await Client.connect(self._address, namespace=self._namespace)
            except (RuntimeError, RPCError) as error:  # the SDK raises RuntimeError when it cannot connect
                raise _unreachable(self._address, error) from error
        return self._client

    async def answers(self) -> None:
        """Return when the engine answers."""
        client = await self.client()
        try:
            if not await client.service_client.check_health(timeout=RPC):
                raise UnreachableError(f"the workflow engine at {self._address} is not serving", slug="engine")
        except RPCError as error:
            raise _unreachable(self._address, error) from error

    async def start_forward(self, rollout: str, product: str) -> bool:
        """Run the product's forward workflow; False when the running one works for another rollout."""
        client = await self.client()
        try:
            handle = await client.start_workflow(
                DriverRollout.run,
                Task(rollout, product),
                id=forward_id(product),
                task_queue=FORWARD_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                memo={"rollout": rollout},
                rpc_timeout=RPC,
            )
            return await _works_for(handle, rollout)
        except RPCError as error:
            raise _unreachable(self._address, error) from error

    async def start_back(self, rollout: str, product: str) -> bool:
        """Run the rollout's way back."""
        client = await self.client()
        try:
            handle = await client.start_workflow(
                Rollback.run,
                Task(rollout, product),
                id=rollback_id(rollout),
                task_queue=ROLLBACK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                memo={"rollout": rollout},
                rpc_timeout=RPC,
            )
            return await _works_for(handle, rollout)
        except RPCError as error:
            raise _unreachable(self._address, error) from error


async def _works_for(handle: WorkflowHandle[Any, Any], rollout: str) -> bool:
    described = await handle.describe(rpc_timeout=RPC)
    return bool(await described.memo_value("rollout") == rollout)


def _unreachable(address: str, error: Exception) -> UnreachableError:
    return UnreachableError(f"the workflow engine at {address} does not answer ({error})", slug="engine-unreachable")
