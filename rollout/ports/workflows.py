"""The engine, as far as the reconciler needs it."""

from typing import Protocol


class Workflows(Protocol):
    """Restartable executors of rollouts. Every method raises UnreachableError when the engine does not answer."""

    async def answers(self) -> None:
        """Return when the engine answers."""
        ...

    async def start_forward(self, rollout: str, product: str) -> bool:
        """Run the product's forward workflow; False when the running one works for another rollout."""
        ...

    async def start_back(self, rollout: str, product: str) -> bool:
        """Run the rollout's way back; False when the running one works for another rollout."""
        ...
