"""`rollout up`: the whole service on one machine, durable, as supervised processes."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

from rollout.adapters.engine import server
from rollout.adapters.engine.health import reach, serving
from rollout.adapters.engine.lock import take
from rollout.adapters.engine.port import Reservation
from rollout.adapters.engine.resolve import obtain
from rollout.adapters.engine.server import Engine
from rollout.adapters.engine.tether import tethered
from rollout.adapters.settings import LOOPBACK, WORKER, Endpoint, Settings
from rollout.adapters.store.connection import turn_files
from rollout.errors import ConflictError, SurroundingsError
from rollout.service.up import address
from rollout.service.up.child import Child, Role, write_pid
from rollout.service.up.prepare import make_folders, make_room, prepare
from rollout.service.up.pulse import healthy
from rollout.service.up.ready import as_json, as_words, missing, places
from rollout.service.up.role import commands
from rollout.service.up.supervisor import Supervisor


def run_up(settings: Settings, *, json_output: bool, roles: Mapping[str, Sequence[str]] | None = None) -> int:
    """Run the service until SIGINT or SIGTERM; 0. `roles`: the command line of each, the service's own if None.

    Raises:
        ConflictError: another `up` runs on this data folder.
        UnreachableError: TEMPORAL_ADDRESS names a server that does not answer.
        SurroundingsError: a port is taken, no engine can be had, or a process does not start.
    """
    make_folders(settings.data)
    if make_room(settings):
        _say("the disk is full: nothing goes forward until it has room; halt, pause, roll back and freeze work")
    previous = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with _alone(settings.data), ExitStack() as held:
            engine, settings = _engine(settings, held)
            settings = _ports(settings, held)
            prepare(settings)
            address.leave(settings)
            children = [Child(role, settings.data) for role in _roles(settings, engine, roles or commands())]
            tell = as_json if json_output else as_words
            Supervisor(children, lambda: missing(settings), lambda: tell(places(settings)), _say).run()
    except KeyboardInterrupt:  # asked to end before the children ran
        _say("ended before the service ran")
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody may be listening; the service runs on
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - words go to stderr


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold the data folder; ConflictError if another `up` does."""
    lock = take(data / "run" / "up.lock")
    if lock is None:
        raise ConflictError(f"another `rollout up` runs on {data}; end it first, or choose --data", slug="up-running")
    try:
        for left in (data / "run").glob("*.pid"):  # of one that was killed; its children died with it
            left.unlink(missing_ok=True)
        write_pid(data / "run" / "up.pid", os.getpid())
        yield
    finally:
        (data / "run" / "up.pid").unlink(missing_ok=True)
        os.close(lock)


def _engine(settings: Settings, held: ExitStack) -> tuple[Engine | None, Settings]:
    """Choose the engine: None for one that somebody else runs, which must answer now."""
    found = obtain(_say, {**os.environ, "TEMPORAL_ADDRESS": settings.temporal or ""})
    if found.address is not None or found.binary is None:
        reach(found.address or "")
        return None, replace(settings, temporal=found.address)
    ports = [_held(Endpoint(server.HOST, 0), purpose, held).port for purpose in ("engine", "engine's page")]
    engine = Engine(found.binary, settings.data / "engine", ports[0], ports[1], settings.namespace)
    return engine, replace(settings, temporal=engine.address, temporal_ui=engine.ui)


def _ports(settings: Settings, held: ExitStack) -> Settings:
    """Take the ports; the worker's default one gives way, since a second `up` on the machine has it."""
    api = _held(settings.api, "control API", held)
    gateway = _held(settings.gateway, "gateway", held)
    try:
        worker = _held(settings.worker, "worker", held)
    except SurroundingsError:
        if settings.worker != WORKER:
            raise
        worker = _held(Endpoint(LOOPBACK, 0), "worker", held)
    return replace(settings, api=api, gateway=gateway, worker=worker, supervised=True)


def _held(wanted: Endpoint, purpose: str, held: ExitStack) -> Endpoint:
    reservation = Reservation.of(wanted.host, wanted.port, purpose)
    held.callback(reservation.close)
    return Endpoint(wanted.host, reservation.port)


def _roles(settings: Settings, engine: Engine | None, lines: Mapping[str, Sequence[str]]) -> Sequence[Role]:
    """Return the table of children: the engine where it is ours, then one per role."""
    environ = {**os.environ, **settings.to_environment()}
    doors = {"serve": settings.api, "gateway": settings.gateway, "worker": settings.worker}
    turns = turn_files(settings.database)
    roles = [
        Role(name, tethered(line), environ, asks=healthy(doors[name]), turns=turns) for name, line in lines.items()
    ]
    if engine is None:
        return roles
    temporal = Role(
        "temporal", engine.argv(), dict(os.environ), lambda: _before(engine), lambda: serving(engine.address)
    )
    return [temporal, *roles]


def _before(engine: Engine) -> None:
    """Make the engine's files whole, and set its namespace once it serves."""
    engine.clear()
    Thread(target=_settle, args=(engine,), daemon=True, name="engine-settle").start()


def _settle(engine: Engine) -> None:
    if not engine.settle():
        _say(f"the engine at {engine.address} does not answer yet; its log: log/temporal.log")
