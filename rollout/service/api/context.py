"""What every route of the API is given: the store, the clock, keys, packages, the engine."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from starlette.requests import Request

from rollout.adapters import disk
from rollout.adapters.settings import Settings
from rollout.adapters.token import TokenKey
from rollout.operation import view
from rollout.operation.repeat import Lives
from rollout.ports.clock import Clock
from rollout.ports.release import Packages
from rollout.ports.rollout import RolloutRecord
from rollout.ports.store import Store, Transaction
from rollout.service.api.metrics import Metrics
from rollout.service.api.sight import SightBook
from rollout.service.door.patience import Patience

T = TypeVar("T")

SLOW_AT_ONCE = 2  # verifications and plans; more would only take turns on the processor


class Engine(Protocol):
    """The workflow engine; both raise UnreachableError `engine-unreachable` within seconds."""

    async def answers(self) -> None:
        """Return if the engine serves."""
        ...

    async def act(self, product: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Let the product's rollout workflow take a forward act; its outcome."""
        ...


@dataclass(slots=True)
class Api:
    """The surroundings of the routes; `slow` keeps long work from the threads that halts need.

    `owner` names this process to the others; `claimed` are the keyed requests that run in it; `following`: open event
    streams by person.
    """

    settings: Settings
    store: Store
    clock: Clock
    key: TokenKey
    packages: Packages
    engine: Engine
    sights: SightBook = field(default_factory=SightBook)
    metrics: Metrics = field(default_factory=Metrics)
    patience: Patience = field(init=False)
    following: Counter[str] = field(default_factory=Counter)
    owner: str = field(default_factory=lambda: secrets.token_hex(16))
    claimed: set[str] = field(default_factory=set)
    lives: Lives = field(default_factory=Lives)
    slow: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(SLOW_AT_ONCE, "slow"))

    def __post_init__(self) -> None:
        """Time failures on our own clock; show the disk beside what the API measures of itself."""
        self.patience = Patience(self.clock.elapsed)
        disk.register(self.metrics.registry, self.settings.data)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Do `work` on a snapshot."""
        return await asyncio.to_thread(self.store.read, work)

    async def write(self, work: Callable[[Transaction], T], *, stopping: bool = False) -> T:
        """Do `work` in a write transaction; returns after the commit. What is `stopping` works on a full disk too."""
        return await asyncio.wrap_future(self.store.write(work, stopping=stopping))

    async def run_slow(self, work: Callable[[], T]) -> T:
        """Do long work beside everything else."""
        return await asyncio.get_running_loop().run_in_executor(self.slow, work)

    def document(self, tx: Transaction, record: RolloutRecord) -> dict[str, Any]:
        """Return the document of a rollout as it is in this transaction."""
        return view.document(tx, record, self.sights.look(tx, record, self.clock.elapsed()))


def api_of(request: Request) -> Api:
    """Return the surroundings of this request's application."""
    found = request.app.state.api
    if not isinstance(found, Api):
        raise TypeError("the application was built without its surroundings")
    return found
