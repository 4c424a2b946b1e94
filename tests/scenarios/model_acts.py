"""Acts of people in the model: what each must do is predicted from a table of the test's own, then looked up."""

from rollout.errors import ConflictError
from rollout.operation import act as consent
from rollout.operation import stop
from tests.scenarios.model_audit import Auditor
from tests.scenarios.model_house import APPROVERS
from tests.scenarios.model_promises import LEAVES, OPEN, STOPS, held
from tests.scenarios.model_world import ModelWorld, Worker
from workflows.messages import Act

HOW = {"halt": stop.halt, "reject": stop.reject, "pause": stop.pause, "rollback": stop.roll_back}
MAY_AGREE = {*APPROVERS, "adm"}
HOUR = 3600.0


class People:
    """Those who stop and those who agree; every answer is held against what the store's rows said before."""

    def __init__(self, here: ModelWorld, audit: Auditor) -> None:
        self.here, self.audit = here, audit
        self.cast: set[tuple[str, str, str, int]] = set()  # votes that were answered 200 or 202

    def stop(self, kind: str, rollout: str, person: str) -> None:
        """P4: one person, whatever else is broken; idempotent, and refused only where there is nothing to stop."""
        audit, before = self.audit, self.audit.states[rollout]
        newer = [name for name, state in audit.states.items() if state in OPEN and number(name) > number(rollout)]
        expected = STOPS[kind].get(before)
        if kind == "rollback" and newer and before != "rolling-back":
            expected = None
        try:
            self.here.write(lambda tx: HOW[kind](tx, rollout, person, "seen harm"))
            taken = True
        except ConflictError:
            taken = False
        audit.look()
        told = (kind, rollout, before, audit.states[rollout])
        held("P4 a stop is answered as it must be", taken == (expected is not None), told)
        held("P4 a stop is effective before its answer", audit.states[rollout] == (expected or before), told)

    def freeze(self, person: str) -> None:
        self.here.write(lambda tx: stop.freeze(tx, person, "night"))
        self.audit.look()
        held("P4 a freeze is effective before its answer", self.audit.frozen)

    def unfreeze(self, person: str) -> None:
        outcome = self.here.write(lambda tx: consent.unfreeze(tx, person, "day"))
        frozen = self.audit.frozen
        self.audit.look()
        held("P4 an approver lifts a freeze", outcome.status == 403 or not frozen or person in MAY_AGREE, person)
        held("P4 200 means lifted", outcome.status != 200 or not self.audit.frozen, outcome)

    def agree(self, by: Worker, kind: str, person: str, ring: str, back: int) -> None:
        """P4: going forward takes others, at the very evidence that they looked at."""
        here, records = self.here, self.audit.records
        rollout, before = here.name, self.audit.states[here.name]
        starter, revision = records.all("SELECT started_by, revision FROM rollout WHERE id = ?", rollout)[0]
        asked = Act(kind, rollout, ring, revision - back, person, "looked")
        outcome = here.agree(by, asked)
        self.audit.look()
        after = self.audit.states[rollout]
        told = (asked, before, after, outcome)
        if outcome is None or outcome.status not in {200, 202}:
            held("P4 a refusal changes nothing", after == before, told)
            return
        vote = (rollout, kind, person, asked.revision)
        if before not in LEAVES[kind]:
            held("P4 people go on from where it waits", outcome.status == 200 and vote in self.cast, told)
            return
        self.cast.add(vote)
        held("P4 nobody goes on with their own rollout", person != starter, told)
        held("P4 only an approver goes on", person in MAY_AGREE, told)
        held("P4 consent is bound to the evidence", asked.revision == revision, told)
        held("P3 nobody goes on while frozen", not self.audit.frozen, told)
        have, need = self._voters(asked, revision), self._needed(rollout, kind)
        held("P4 a quorum is a quorum", (outcome.status == 200) == (have >= need), (told, have, need))
        held("P4 a quorum goes on, fewer do not", (after == "running") == (outcome.status == 200), told)
        self.audit.seen[f"{kind} {outcome.status}"] += 1

    def _voters(self, asked: Act, revision: int) -> int:
        """Persons of the last hour, by the clock; a vote from the future was cast while the clock was wrong."""
        now = self.here.clock.wall
        agreed = "SELECT count(DISTINCT person) FROM vote WHERE rollout = ? AND act = ? AND revision = ?"
        within = f"{agreed} AND at BETWEEN ? AND ?"
        return int(self.audit.records.one(within, asked.rollout, asked.kind, revision, now - HOUR, now))

    def _needed(self, rollout: str, kind: str) -> int:
        """An approval takes what its ring asks; a resume what the ring in hand would ask, one at least."""
        if kind == "approve":
            return 2
        rings = [(name, state) for (its, name), state in self.audit.rings.items() if its == rollout]
        ring = next((name for name, state in rings if state != "promoted"), rings[-1][0])
        return 2 if self.audit.asks(rollout, ring) else 1


def number(rollout: str) -> int:
    return int(rollout.removeprefix("r"))
