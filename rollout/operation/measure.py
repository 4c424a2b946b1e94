"""Measure: exposed hosts and control hosts that report a number are paired, each once, and every pair is an event.

Only while the release is with its hosts: once it is being put back, what they measure is the baseline's.
"""

from typing import Final

from rollout.decision import FORWARD, State
from rollout.evidence.pairing import pairs
from rollout.operation.watching import Watched
from rollout.ports.event import EventKind, Happened
from rollout.ports.store import Transaction

MEASURED: Final = (*FORWARD, State.COMPLETED)


def measure(tx: Transaction, watched: Watched, elapsed: float) -> bool:
    """Write the pairs of this tick; whether there are any. None while blind: who was not heard has no part in it."""
    record = watched.record
    if watched.blind is not None or record.state not in MEASURED:
        return False
    written: list[Happened] = []
    for name in (each.name for each in record.policy.judge.measures):
        cells = watched.fold.pairing.cells(name, watched.clock, elapsed, watched.counter)
        said = tx.hosts.measures([host for cell in cells for arm in cell for host in arm])
        reported = {host: values[name] for host, values in said.items() if name in values}
        for pair in pairs(cells, reported):
            exposed, control = pair.values
            detail = {"measure": name, "exposed": exposed, "control": control, "other": pair.control}
            written.append(Happened(EventKind.MEASURED, pair.exposed, detail, record.id))
    tx.events.extend(written)
    return bool(written)
