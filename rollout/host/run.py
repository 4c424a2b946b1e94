"""`rollout host run`: one agent, alone in its state folder, until it is told to end."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rollout.adapters.clock import SystemClock
from rollout.errors import BusyError, DamagedError, RolloutError, SurroundingsError
from rollout.host.agent import Agent
from rollout.host.beater import Beater, Calls
from rollout.host.change import Change, Patience, Tools
from rollout.host.door import Door
from rollout.host.folder import Sequence, alone, read_identity, read_key
from rollout.host.installer import Installer
from rollout.host.journal import Journal, lost, open_journal
from rollout.host.machine import EachStart, LinuxMachine, Machine
from rollout.host.measures import Meter
from rollout.host.packages import PackageStore
from rollout.host.presence import present, summary
from rollout.host.saying import Saying
from rollout.host.spool import Spool

Say = Callable[[str], None]
_SHORTEST_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Terms:
    """How an agent runs; seconds. `poll`: between two looks at the metadata, None: its heartbeat.

    `measures`: the file that the product writes its numbers into.
    """

    installer: str
    patience: Patience
    poll: float | None = None
    installer_timeout: float = 600.0
    start_is_boot: bool = False
    measures: Path | None = None


def run(
    state: Path, terms: Terms, stopped: threading.Event, say: Say, *, once: bool = False, calls: Calls | None = None
) -> Mapping[str, object]:
    """Run until `stopped`, or one round; what the host runs then, and whether everything could be read (`whole`).

    `calls`: where the machine's power manager says that it goes to sleep.

    Raises:
        ConflictError: another agent runs on this folder.
        DamagedError: the host is not enrolled, or its identity or key cannot be read.
        BusyError: an installer of an earlier life does not end.
    """
    identity = read_identity(state)
    door = Door(identity.gateway, identity.host, read_key(state))
    machine: Machine = EachStart() if terms.start_is_boot else LinuxMachine()
    meter = Meter(terms.measures, machine, Saying(say))
    with alone(state):
        installer = Installer(terms.installer, state, terms.installer_timeout, meter.forget)
        _await(installer, terms.installer_timeout, stopped, say)
        journal, closed = _journal(state, say)
        packages = PackageStore(state, door)
        change = Change(state, Tools(journal, installer, packages, machine), terms.patience, say)
        change.begin()
        agent = Agent(state, identity, door, packages, machine, change, say, closed)
        spool = Spool(state, identity.host, door)
        beater = Beater(
            identity.host,
            door,
            Sequence(state),
            machine,
            spool,
            identity.heartbeat,
            lambda: present(change, meter.read()),
            say,
            calls or Calls(),
        )
        whole = _once(agent, beater) if once else _live(agent, beater, terms, stopped, say)
        return {**summary(identity.host, change), "whole": whole}


def _journal(state: Path, say: Say) -> tuple[Journal, str]:
    """The journal, or, damaged, one in memory: such a host beats and goes back, and never forward."""
    try:
        return open_journal(state), ""
    except DamagedError as error:
        say(f"{error}; nothing is adopted until a person looked and ran `rollout host enrol --new-journal`")
        return lost(), str(error)


def _await(installer: Installer, timeout: float, stopped: threading.Event, say: Say) -> None:
    due = SystemClock().elapsed() + timeout
    if not installer.free():
        say("waiting for an installer that an earlier agent started")
    while not installer.free():
        if SystemClock().elapsed() > due or stopped.wait(0.1):
            raise BusyError("an installer of an earlier run does not end; end it by hand", slug="installer-busy")


def _once(agent: Agent, beater: Beater) -> bool:
    heard = beater.beat()
    whole = agent.round(beater)
    return beater.beat() and heard and whole


def _live(agent: Agent, beater: Beater, terms: Terms, stopped: threading.Event, say: Say) -> bool:
    clock, whole = SystemClock(), True
    with beater:
        while not stopped.is_set():
            try:
                if beater.away is None:  # who said that it sleeps does not begin anything
                    whole = agent.round(beater)
            except (RolloutError, OSError) as error:  # a full disk, a broken installer: nothing was done unwritten
                say(f"this round ended: {error}")
            if not beater.alive:
                raise SurroundingsError("the beats have ended, and an agent without a voice must not go on")
            wait = beater.interval if terms.poll is None else terms.poll
            due = agent.next_question
            stopped.wait(max(_SHORTEST_SECONDS, wait if due is None else min(wait, due - clock.elapsed())))
    return whole
