"""The worker process: three loops that need only the store, and the workflows' executor.

The watch, the publisher and the reconciler start before and without the engine, so a worker started while it
is down still judges, halts and directs the way back. The connection is tried again in the background.
"""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from temporalio.client import Client
from temporalio.worker import Worker

from rollout.adapters import disk, logs
from rollout.adapters.clock import SystemClock
from rollout.adapters.metrics import AgeCollector, StoreCollector
from rollout.adapters.settings import Endpoint, Settings
from rollout.adapters.store.core import Store
from rollout.adapters.store.migrate import open_store
from rollout.adapters.trust.copies import FolderCopies
from rollout.adapters.trust.development import refuse_development
from rollout.adapters.trust.signer import FolderSigner
from rollout.errors import SurroundingsError, UnreachableError
from rollout.operation.advance import Eyes
from rollout.operation.publisher import Publisher
from rollout.operation.reconcile import Reconciler
from rollout.operation.watch import Watch
from workflows.activities import Back, Forward
from workflows.driver_rollout import DriverRollout
from workflows.executor import Executor
from workflows.messages import FORWARD_QUEUE, ROLLBACK_QUEUE
from workflows.rollback import Rollback

BUILD = "rollout"  # versions need no telling apart: a workflow that does not fit new code is started anew
RECONNECT_SECONDS = 1.0
GRACE_SECONDS = 2  # of activities and of a scrape that is under way
STOP_SECONDS = 3.0  # a loop that has not ended by then is left
log = logging.getLogger(__name__)


def main(settings: Settings, ready: Callable[[str], None] | None = None) -> int:
    """Run one worker until it is told to stop; 0 then. RolloutError when the store or keys do not open.

    `ready` hears its URL once it listens; by then its loops run.
    """
    logs.configure("worker")
    refuse_development(settings)
    return asyncio.run(_run(settings, ready))


async def _run(settings: Settings, ready: Callable[[str], None] | None) -> int:
    clock = SystemClock()
    store = open_store(settings.database, clock)
    owner = f"{socket.gethostname()}-{os.getpid()}"
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    watch = Watch(store, clock, owner, settings.heartbeat_seconds)
    publisher = Publisher(store, clock, FolderSigner(settings.data / "keys"), FolderCopies(settings.data), owner)
    executor = Executor(settings.temporal or "127.0.0.1:7233", settings.namespace)
    reconciler = Reconciler(store, clock, executor, owner)
    registry = observe(store, watch, publisher, reconciler)
    disk.register(registry, settings.data)
    alarms = failing_steps(registry)
    forward = Forward(store, publisher, Eyes(clock.elapsed))
    back = Back(store, publisher, lambda rollout, _: alarms.labels(rollout).inc())
    try:
        ended = await _together(
            stop,
            watch.run(stop),
            publisher.run(stop),
            reconciler.run(stop),
            serve_workflows(executor, forward, back, stop),
            _serve_http(settings.worker, registry, stop, ready),
        )
    finally:
        await asyncio.to_thread(store.close)
    if not ended.all_of_them:
        _leave(ended.code)
    return ended.code


def _leave(code: int) -> NoReturn:
    """End the process now: the SDK waits for a dead engine longer than anybody waits for us.

    The store is closed, and what the engine was not told it hands to another worker by its timeouts.
    """
    logging.shutdown()
    os._exit(code)


@dataclass(frozen=True, slots=True)
class _Ended:
    """How the loops ended: the exit code, and whether none of them was left behind."""

    code: int
    all_of_them: bool


async def _together(stop: asyncio.Event, *loops: Coroutine[Any, Any, None]) -> _Ended:
    """Run loops until `stop`. One that ends before is a defect, and ends the process so that `up` starts it anew."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    code = 0 if stop.is_set() else 1
    stop.set()
    ended, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
    for task in late:
        log.warning("a loop does not end; it is left", extra={"loop": str(task.get_coro())})
    for task in ended:
        if (error := task.exception()) is not None:
            log.error("a loop of the worker failed", exc_info=error)
            code = 1
    return _Ended(code, all_of_them=not late)


def observe(store: Store, watch: Watch, publisher: Publisher, reconciler: Reconciler) -> CollectorRegistry:
    """What the worker shows at `/metrics`, but for what its activities count (`failing_steps`)."""
    registry = CollectorRegistry()
    registry.register(StoreCollector(store))
    registry.register(AgeCollector("rollout_judge_tick_age_seconds", "Since the newest tick", "rollout", watch.ages))
    registry.register(AgeCollector("rollout_lease_age_seconds", "Since a lease was renewed", "ring", publisher.ages))
    behind = "Since a repository was found locked by another publisher, and not copied"
    registry.register(AgeCollector("rollout_copy_behind_seconds", behind, "repository", publisher.copier.behind))
    queued = Gauge("rollout_store_queue_length", "Pieces of work waiting for the store", registry=registry)
    queued.set_function(lambda: store.waiting)
    slowest = Gauge("rollout_judge_tick_seconds", "How long the newest tick took", registry=registry)
    slowest.set_function(lambda: watch.tick_seconds)
    late = Gauge("rollout_judge_rollouts", "Rollouts that this worker judges", registry=registry)
    late.set_function(lambda: len(watch.owned))
    answering = Gauge("rollout_engine_up", "1 while the workflow engine answers this worker", registry=registry)
    answering.set_function(lambda: float(reconciler.answering))
    starts = Gauge("rollout_workflow_starts", "Workflows this worker asked the engine to run", registry=registry)
    starts.set_function(lambda: reconciler.starts)
    return registry


def failing_steps(registry: CollectorRegistry) -> Counter:
    """Count what the way back tries again and again, by rollout."""
    return Counter(
        "rollout_rollback_attempts_failed", "Rollback steps that keep failing", ["rollout"], registry=registry
    )


async def serve_workflows(executor: Executor, forward: Forward, back: Back, stop: asyncio.Event) -> None:
    """Serve both task queues until `stop`; again whenever the engine refused us. Said once, not each second."""
    told = ""
    while not stop.is_set():
        try:
            client = await executor.client()
            await _run_workers(client, forward, back, stop)
        except (UnreachableError, RuntimeError) as error:
            if str(error) != told:
                log.warning("no engine yet; judging and halting go on", extra={"error": str(error)})
            told = str(error)
            await _sleep(stop, RECONNECT_SECONDS)


async def _run_workers(client: Client, forward: Forward, back: Back, stop: asyncio.Event) -> None:
    shared: dict[str, Any] = {
        "build_id": BUILD,  # by default the SDK hashes every loaded module, and judging would wait seconds for that
        # Any error, a history of other code included, ends a workflow instead of blocking it for ever: the
        # reconciler starts another, which reads its position anew. Not in the definitions: replay must see it.
        "workflow_failure_exception_types": [Exception],
        "graceful_shutdown_timeout": timedelta(seconds=GRACE_SECONDS),
        "max_heartbeat_throttle_interval": timedelta(seconds=1),
        "sticky_queue_schedule_to_start_timeout": timedelta(seconds=3),
    }
    forward_worker = Worker(
        client,
        task_queue=FORWARD_QUEUE,
        workflows=[DriverRollout],
        activities=[forward.await_edge, forward.open_ring, forward.promote, forward.complete, forward.act],
        **shared,
    )
    back_worker = Worker(
        client,
        task_queue=ROLLBACK_QUEUE,
        workflows=[Rollback],
        activities=[back.publish_back, back.await_back],
        **shared,
    )
    async with forward_worker, back_worker:
        await stop.wait()


async def _serve_http(
    endpoint: Endpoint, registry: CollectorRegistry, stop: asyncio.Event, ready: Callable[[str], None] | None
) -> None:
    async def healthy(_request: object) -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    async def metrics(_request: object) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app = Starlette(routes=[Route("/healthz", healthy), Route("/metrics", metrics)])
    config = uvicorn.Config(
        app,
        endpoint.host,
        endpoint.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    listening = _listening(endpoint)
    if ready is not None:
        ready(Endpoint(endpoint.host, listening.getsockname()[1]).url)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    await serving


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: ours set `stop`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def _listening(endpoint: Endpoint) -> socket.socket:
    """A listening socket; uvicorn's own would end the interpreter where the port is taken."""
    try:
        return socket.create_server((endpoint.host, endpoint.port), family=_family(endpoint.host), backlog=128)
    except OSError as error:
        raise SurroundingsError(f"the worker cannot listen on {endpoint}: {error}", slug="port") from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
