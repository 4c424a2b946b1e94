"""Going forward: approve, resume, unfreeze. People agree, each bound to the evidence they looked at.

One transaction checks, counts the vote and, where the quorum is reached, moves. A refusal is data and no exception:
it travels through a workflow. Votes lapse after an hour or when the evidence changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from rollout.decision import RingState, State, Step, allows, refuse
from rollout.errors import Problem
from rollout.operation.stop import acted
from rollout.operation.transition import take
from rollout.ports.person import Vote
from rollout.ports.rollout import RingRecord, RolloutRecord
from rollout.ports.store import Transaction

VOTE_SECONDS = 3600.0
APPROVER = "approver"
TO_UNFREEZE = 2  # persons (INTERFACES section 4)
ASKABLE = {"approve": Step.APPROVE, "resume": Step.RESUME}


@dataclass(frozen=True, slots=True)
class Act:
    """What a person agrees to. `ring` is the ring to be promoted; of a resume it is not looked at."""

    kind: Literal["approve", "resume"]
    rollout: str
    ring: str
    revision: int
    person: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it: 200 done, 202 more people must agree, 403 and 409 refused, 404 unknown."""

    status: Literal[200, 202, 403, 404, 409]
    have: int = 0
    need: int = 0
    problem: Problem | None = None

    def to_document(self) -> dict[str, Any]:
        """Return it as plain values, for the way through a workflow."""
        problem = None if self.problem is None else {"slug": self.problem.code, "detail": self.problem.detail}
        return {"status": self.status, "have": self.have, "need": self.need, "problem": problem}

    @classmethod
    def from_document(cls, found: Mapping[str, Any]) -> Self:
        """Read what `to_document` wrote."""
        told = found.get("problem")
        problem = None if told is None else Problem(str(told["slug"]), str(told["detail"]))
        return cls(found["status"], int(found.get("have", 0)), int(found.get("need", 0)), problem)


def consent(tx: Transaction, act: Act) -> Outcome:
    """Record one person's consent; where enough agree, promote the ring or go on."""
    record = tx.rollouts.get(act.rollout)
    known = settled(tx, act)
    if record is None or known is not None:
        return known or _unknown(act.rollout)
    rings = tx.rollouts.rings(record.id)
    ring = act.ring if act.kind == "approve" else current_ring(rings).name
    tx.people.vote(Vote(record.id, act.kind, ring, act.revision, act.person, act.reason, tx.now))
    have, need = votes(tx, record, act.kind, ring)
    told = {"ring": ring, "evidence_revision": act.revision, "reason": act.reason, "have": have, "need": need}
    tx.people.record(f"vote.{act.kind}", rollout=record.id, person=act.person, detail=told)
    if act.kind == "approve":
        acted(tx, "approve", act.person, record.id, ring)
    if have < need:
        return Outcome(202, have, need)
    _go(tx, record, act, ring)
    return Outcome(200, have, need)


def settled(tx: Transaction, act: Act) -> Outcome | None:
    """Return the outcome where nothing needs to be voted: refused, or done by this very vote before; only reads."""
    record = tx.rollouts.get(act.rollout)
    if record is None:
        return _unknown(act.rollout)
    rings = tx.rollouts.rings(record.id)
    return _done(tx, record, rings, act) or refusal(tx, record, rings, act)


def refusal(tx: Transaction, record: RolloutRecord, rings: Sequence[RingRecord], act: Act) -> Outcome | None:
    """Return why this person may not agree to this now, None if they may. Who asks is looked at first."""
    role = required_role(record, rings, act.kind, act.ring)
    if act.person == record.started_by:
        return _no(403, "own-rollout", f"{act.person} started {record.id}; others must agree to go on")
    if act.person not in tx.people.holders(role):
        return _no(403, "role", f"{act.person} holds no token of role {role}")
    if tx.rollouts.frozen() is not None:
        return _no(409, "frozen", "everything is frozen; `rollout unfreeze --reason TEXT` comes first")
    step = ASKABLE[act.kind]
    if not allows(record.state, step):
        return _no(409, "wrong-state", refuse(record.id, record.state, step).detail)
    if act.kind == "approve" and (waiting := waiting_ring(rings)) != act.ring:
        return _no(409, "not-waiting", f"ring {act.ring} waits for no approval; {waiting or 'no ring'} does")
    return _changed(tx, record, act)


def required_role(record: RolloutRecord, rings: Sequence[RingRecord], kind: str, ring: str) -> str:
    """Return the role that must agree: the policy's for an approval, approver for everything else."""
    if kind != "approve" or ring not in {each.name for each in rings}:
        return APPROVER
    approval = record.policy.ring(ring).approval
    return APPROVER if approval is None else approval.role


def votes(tx: Transaction, record: RolloutRecord, kind: str, ring: str) -> tuple[int, int]:
    """Return how many agreed to the present evidence within the hour, and how many must."""
    cast = _cast(tx, record.id, kind, ring, record.revision)
    approval = record.policy.ring(ring).approval
    return len({vote.person for vote in cast}), max(1, approval.persons if approval else 1)


def _cast(tx: Transaction, rollout: str, kind: str, ring: str, revision: int) -> list[Vote]:
    """Return the votes of the last hour, by the clock; one from the future was cast while the clock was wrong."""
    return [v for v in tx.people.votes(rollout, kind, ring, revision, tx.now - VOTE_SECONDS) if v.at <= tx.now]


def waiting_ring(rings: Sequence[RingRecord]) -> str | None:
    """Return the ring that waits for an approval."""
    return next((ring.name for ring in rings if ring.state == RingState.AWAITING_APPROVAL), None)


def current_ring(rings: Sequence[RingRecord]) -> RingRecord:
    """Return the ring in hand: the first that is not promoted, else the last."""
    return next((ring for ring in rings if ring.state != RingState.PROMOTED), rings[-1])


def unfreeze(tx: Transaction, person: str, reason: str) -> Outcome:
    """Agree to lift the freeze in force; it takes two approvers. Without a freeze nothing is to be done."""
    standing = tx.rollouts.frozen()
    if standing is None:
        return Outcome(200)
    if person not in tx.people.holders(APPROVER):
        return _no(403, "role", f"{person} holds no token of role {APPROVER}")
    tx.people.vote(Vote("", "unfreeze", "", standing.number, person, reason, tx.now))
    have = unfreeze_votes(tx, standing.number)
    told = {"reason": reason, "have": have, "need": TO_UNFREEZE}
    tx.people.record("vote.unfreeze", person=person, detail=told)
    if have < TO_UNFREEZE:
        return Outcome(202, have, TO_UNFREEZE)
    tx.rollouts.unfreeze()
    tx.people.record("act.unfreeze", person=person, detail={"reason": reason})
    acted(tx, "unfreeze", person)
    return Outcome(200, have, TO_UNFREEZE)


def unfreeze_votes(tx: Transaction, number: int) -> int:
    """Return how many persons agreed within the hour to lift this freeze."""
    cast = _cast(tx, "", "unfreeze", "", number)
    return len({vote.person for vote in cast})


def _done(tx: Transaction, record: RolloutRecord, rings: Sequence[RingRecord], act: Act) -> Outcome | None:
    """Answer a repeated call: an activity whose answer was lost is run again."""
    if record.state != State.RUNNING:
        return None
    ring = act.ring if act.kind == "approve" else current_ring(rings).name
    cast = _cast(tx, record.id, act.kind, ring, act.revision)
    promoted = act.kind == "resume" or ring in {each.name for each in rings if each.state == RingState.PROMOTED}
    if promoted and act.person in {vote.person for vote in cast}:
        return Outcome(200, len(cast), len(cast))
    return None


def _unknown(rollout: str) -> Outcome:
    return Outcome(404, problem=Problem("no-rollout", f"there is no rollout {rollout!r}"))


def _changed(tx: Transaction, record: RolloutRecord, act: Act) -> Outcome | None:
    """Refuse where the person looked at other evidence, or where the gates they were asked about no longer hold."""
    judgement = tx.judging.judgement(record.id)
    seen = "nothing was judged yet" if judgement is None else f"{judgement.verdict}: {judgement.document['sentence']}"
    if act.revision != record.revision:
        detail = f"the evidence is at revision {record.revision}, you looked at {act.revision}; now {seen}"
        return _no(409, "stale-evidence", detail)
    if act.kind == "resume":
        return None
    holds = judgement is not None and judgement.promotable and judgement.verdict == "healthy"
    if holds and judgement is not None and judgement.document.get("ring", act.ring) == act.ring:
        return None
    return _no(409, "not-promotable", f"ring {act.ring} may not be promoted now; {seen}")


def _go(tx: Transaction, record: RolloutRecord, act: Act, ring: str) -> None:
    """Do what enough people agreed to, at this very evidence."""
    take(tx, record.id, ASKABLE[act.kind], ring=ring)
    if act.kind == "approve":
        tx.people.record("ring.promoted", rollout=record.id, person=act.person, detail={"ring": ring})
        return
    tx.people.record("act.resume", rollout=record.id, person=act.person, detail={"reason": act.reason})
    acted(tx, "resume", act.person, record.id)


def _no(status: Literal[403, 409], slug: str, detail: str) -> Outcome:
    return Outcome(status, problem=Problem(slug, detail))
