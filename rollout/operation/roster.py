"""The roster: a host leaves for good, or enrols again with another key."""

from rollout.errors import NotFoundError
from rollout.event import EventKind
from rollout.ports.store import Transaction


def retire(tx: Transaction, name: str, person: str, reason: str) -> None:
    """Take a host out of risk sets and coverage; its open adoption keeps its slot to the deadline, then fails."""
    record = tx.hosts.find(name)
    if record is None:
        raise _unknown(name)
    if record.retired_at is not None:
        return
    tx.hosts.retire(record.key)
    tx.events.append(EventKind.RETIRED, record.key)
    tx.people.record("host.retired", person=person, detail={"host": name, "reason": reason})


def rekey(tx: Transaction, name: str, person: str, reason: str) -> None:
    """Forget a host's key: its next enrolment sets another."""
    record = tx.hosts.find(name)
    if record is None:
        raise _unknown(name)
    tx.hosts.rekey(record.key)
    tx.people.record("host.rekeyed", person=person, detail={"host": name, "reason": reason})


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"no host {name!r} is enrolled", slug="no-host")
