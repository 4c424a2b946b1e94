"""Prove: beats that name an open adoption bring it nearer to its confirmation, confirm it, or fail it."""

from collections.abc import Sequence
from dataclasses import replace

from policies.document import Confirm
from rollout import telemetry
from rollout.ports.adoption import Adoption
from rollout.ports.event import EventKind, Happened
from rollout.ports.store import Transaction
from rollout.telemetry import Beat, Trial


def prove(tx: Transaction, proving: Sequence[tuple[Adoption, Beat]]) -> list[Happened]:
    """Store what beats say of the open adoptions that they name, at most one each; what is to be told of it, in order.

    The first outcome counts.
    """
    rollouts = {name: tx.rollouts.get(name) for name in {each.rollout for each, _ in proving}}
    reverted: list[Adoption] = []
    progressed: list[Adoption] = []
    confirmed: list[Adoption] = []
    for adoption, beat in proving:
        rollout = rollouts[adoption.rollout]
        if beat.phase == "reverted":
            reverted.append(adoption)
            continue
        trial = _trial(adoption)
        proved = telemetry.advance(trial, beat)
        if proved != trial:
            progressed.append(_proved(adoption, proved))
        if rollout is not None and _is_confirmed(proved, beat, rollout.policy.confirm):
            confirmed.append(adoption)
    tx.adoptions.progress(progressed)
    told = dict.fromkeys(tx.adoptions.fail_all(reverted, "reverted"), EventKind.REVERTED)
    told |= dict.fromkeys(tx.adoptions.confirm_all(confirmed), EventKind.CONFIRMED)
    settled = ((told[each.id], each) for each, _ in proving if each.id in told)
    return [Happened(kind, each.host, {}, each.rollout, each.id) for kind, each in settled]


def _trial(adoption: Adoption) -> Trial:
    return Trial(
        adoption.product,
        adoption.counter,
        adoption.boot,
        adoption.applied_boot,
        adoption.applied_uptime,
        adoption.uptime,
        adoption.boots,
    )


def _proved(adoption: Adoption, trial: Trial) -> Adoption:
    return replace(
        adoption,
        applied_boot=trial.applied_boot,
        applied_uptime=trial.applied_uptime,
        uptime=trial.uptime,
        boots=trial.boots,
    )


def _is_confirmed(trial: Trial, beat: Beat, confirm: Confirm) -> bool:
    return telemetry.is_confirmed(trial, beat, confirm.uptime.total_seconds(), confirm.reboots)
