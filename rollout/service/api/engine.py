"""The workflow engine, as far as the API needs it: does it answer, and will it take a forward act?

Every failure is one error, `engine-unreachable`: whatever the engine's trouble is, nothing went forward.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from rollout.errors import UnreachableError

BUDGET: Final = timedelta(seconds=5)
UPDATE: Final = "act"


class TemporalEngine:
    """service.api.context.Engine over a Temporal client that connects when it is first needed."""

    def __init__(self, address: str | None, namespace: str, budget: timedelta = BUDGET) -> None:
        self._address = address
        self._namespace = namespace
        self._budget = budget
        self._client: Client | None = None

    async def answers(self) -> None:
        """Return if the engine serves our namespace; UnreachableError otherwise."""
        try:
            async with asyncio.timeout(self._budget.total_seconds()):
                client = await self._connected()
                question = DescribeNamespaceRequest(namespace=self._namespace)
                await client.workflow_service.describe_namespace(question, timeout=self._budget)
        except (RPCError, RuntimeError, TimeoutError) as error:
            raise _unreachable("it does not answer") from error

    async def act(self, product: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send a forward act to the product's rollout workflow; the outcome as data. UnreachableError otherwise."""
        try:
            async with asyncio.timeout(self._budget.total_seconds()):
                handle = (await self._connected()).get_workflow_handle(f"rollout-{product}")
                outcome = await handle.execute_update(UPDATE, dict(payload), rpc_timeout=self._budget)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise _unreachable("no workflow runs this rollout yet; a worker starts it within seconds") from error
            raise _unreachable("it does not answer") from error
        except (WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            raise _unreachable(f"the rollout's workflow did not take the act ({error})") from error
        except (RuntimeError, TimeoutError) as error:
            raise _unreachable("it does not answer") from error
        if not isinstance(outcome, Mapping):
            raise _unreachable("the rollout's workflow answered in another form: is the worker of this version?")
        return outcome

    async def _connected(self) -> Client:
        if self._address is None:
            raise _unreachable("none is configured: set TEMPORAL_ADDRESS")
        if self._client is None:
            self._client = await Client.connect(self._address, namespace=self._namespace, lazy=True)
        return self._client


def _unreachable(detail: str) -> UnreachableError:
    return UnreachableError(
        f"the workflow engine: {detail}; nothing went forward, try again", slug="engine-unreachable"
    )
