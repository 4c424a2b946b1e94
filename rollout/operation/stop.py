"""Stopping: halt, pause, reject, roll back, freeze. One person, in one transaction, effective before the answer.

Nothing but the store is asked. Each is one guarded update, so that a stop wins every race and asking again changes
nothing. Every act is audited, and is an event too, so that the watch folds it as evidence.
"""

from rollout.decision import State, Step, already, refuse
from rollout.errors import ConflictError, NotFoundError
from rollout.event import EventKind
from rollout.operation.transition import take
from rollout.ports.rollout import RolloutRecord
from rollout.ports.store import Transaction


def find(tx: Transaction, name: str) -> RolloutRecord:
    """Return a rollout by its id, or the newest one of a product; NotFoundError."""
    found = tx.rollouts.get(name) or tx.rollouts.newest(name)
    if found is None:
        raise NotFoundError(f"there is no rollout {name!r}, and no product of that name has one", slug="no-rollout")
    return found


def halt(tx: Transaction, name: str, person: str, reason: str | None) -> RolloutRecord:
    """Stop a rollout for good; what was adopted stays until somebody rolls it back."""
    return _stop(tx, find(tx, name), Step.HALT, person, reason)


def pause(tx: Transaction, name: str, person: str, reason: str | None) -> RolloutRecord:
    """Grant no adoption until people resume."""
    return _stop(tx, find(tx, name), Step.PAUSE, person, reason)


def reject(tx: Transaction, name: str, person: str, reason: str | None) -> RolloutRecord:
    """Refuse the release: stops like a halt, and says so."""
    return _stop(tx, find(tx, name), Step.REJECT, person, reason)


def roll_back(tx: Transaction, name: str, person: str, reason: str) -> RolloutRecord:
    """Direct every touched host back; judged again until it is done.

    ConflictError `newer-rollout` while a newer rollout of the product is open: its hosts have two ways to go then.
    """
    record = find(tx, name)
    newer = [other.id for other in tx.rollouts.opened(record.product) if other.number > record.number]
    if newer and not already(record.state, Step.ROLL_BACK):
        raise ConflictError(
            f"{newer[0]} is a newer rollout of {record.product} and still open; halt that one first",
            slug="newer-rollout",
        )
    after = _stop(tx, record, Step.ROLL_BACK, person, reason)
    if after.state != record.state:
        tx.rollouts.reopen(record.id)
    return find(tx, record.id)


def freeze(tx: Transaction, person: str, reason: str) -> None:
    """Stop every rollout from going forward; the first freeze stays in force."""
    if tx.rollouts.frozen() is not None:
        return
    standing = tx.rollouts.freeze(person, reason)
    tx.people.record("act.freeze", person=person, detail={"reason": reason, "number": standing.number})
    acted(tx, "freeze", person)


def acted(tx: Transaction, act: str, person: str, rollout: str | None = None, ring: str | None = None) -> None:
    """Write the act as an event: evidence is what the judge folds."""
    tx.events.append(EventKind.ACTED, 0, rollout=rollout, detail={"act": act, "ring": ring, "person": person})


def _stop(tx: Transaction, record: RolloutRecord, step: Step, person: str, reason: str | None) -> RolloutRecord:
    """Take a stopping step, unless it is so already; ConflictError where the state does not allow it."""
    if already(record.state, step):
        return record
    why = f"by {person}" + (f": {reason}" if reason else "")
    if not take(tx, record.id, step, why=why):
        raise refuse(record.id, record.state, step)
    tx.people.record(f"act.{step}", rollout=record.id, person=person, detail={"reason": reason, "from": record.state})
    if step is not Step.ROLL_BACK:
        acted(tx, step, person, record.id)
    elif record.state not in {State.HALTED, State.REJECTED}:
        acted(tx, "halt", person, record.id)  # rolling back implies it
    return find(tx, record.id)
