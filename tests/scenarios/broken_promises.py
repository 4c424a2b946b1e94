"""Each promise taken out of the code, one at a time, and found: `python tests/scenarios/broken_promises.py`.

A mutant is a copy of the tree with a few words replaced; the model runs on it until it finds something. Words that are
no longer there are an error: whoever changes the code changes its mutant. Prints which check found each, after how many
steps; exit 1 where one survives.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
NEEDED = ("rollout", "policies", "workflows", "tests", "deploy", "pyproject.toml")


@dataclass(frozen=True)
class Mutant:
    """`edits`: (file, words as they are, words without the promise)."""

    promise: str
    edits: Sequence[tuple[str, str, str]]


ADMISSION, ACT, ADVANCE = "rollout/admission.py", "rollout/operation/act.py", "rollout/operation/advance.py"
TICK, PUBLISH, DRAFT = "rollout/operation/tick.py", "rollout/operation/publish.py", "rollout/operation/draft.py"
GATES, LANE, STORE = "rollout/judge/promote.py", "rollout/judge/lane.py", "rollout/adapters/store/"
STANDING, DECISION, STOP = "rollout/operation/standing.py", "rollout/decision.py", "rollout/operation/stop.py"

MUTANTS = (
    # P1
    Mutant("only health is promoted", [(ADVANCE, "    if not judgement.promotable or judgement.verdict", "    if False and judgement.verdict")]),
    Mutant("the early-life gate", [(GATES, "        standing.early_life <= limit,", "        True,")]),
    Mutant("minimum bake", [(GATES, "begun is not None and seconds >= least", "begun is not None")]),
    Mutant("coverage of both arms", [(GATES, "        least >= floor,", "        True,")]),
    Mutant("evidence of harm keeps a ring", [(GATES, "standing.e < CALM", "True"), (GATES, "standing.stopped is None", "True"), ("rollout/judge/verdict.py", "    if pause is not None:", "    if False and pause is not None:")]),
    Mutant("earlier adoptions are settled first", [(ADVANCE, "    if unsettled:", "    if False and unsettled:")]),
    Mutant("a host must prove itself", [("rollout/telemetry.py", "is_applied(trial, beat) and trial.uptime >= uptime_seconds", "is_applied(trial, beat)")]),
    Mutant("silence is counted", [(TICK, "    if marked:\n", "    if marked and False:\n")]),
    Mutant("a blind tick marks nobody", [(TICK, "    if watched.blind is not None:\n        return False\n", "")]),
    Mutant("a gap marks nobody", [(TICK, "if gap > GAP_SECONDS:", "if False and gap > GAP_SECONDS:")]),
    Mutant("no go while blind", [(ADMISSION, 'SEEING: Final = frozenset({"healthy", "inconclusive"})', 'SEEING: Final = frozenset({"healthy", "inconclusive", "blind"})')]),
    Mutant("no go under an alarm", [(ADMISSION, 'SEEING: Final = frozenset({"healthy", "inconclusive"})', 'SEEING: Final = frozenset({"healthy", "inconclusive", "unhealthy"})'), (ADMISSION, 'frozenset({"running", "awaiting-approval", "completed"})', 'frozenset({"running", "awaiting-approval", "completed", "paused"})')]),
    # P2
    Mutant("outstanding below the window", [(ADMISSION, "if pace.window is None or not pace.outstanding < pace.window:", "if pace.window is None:")]),
    Mutant("the stratum's own window", [(ADMISSION, "if not pace.stratum_outstanding < stratum_window:", "if False:")]),
    Mutant("a grant is counted at once", [(STANDING, "self._outstanding[stratum] = self._outstanding.get(stratum, 0) + 1", "self._outstanding[stratum] = self._outstanding.get(stratum, 0)")]),
    Mutant("only a confirmation raises the window", [(LANE, "        if status == CONFIRMED:\n            self._raise_due = True\n        else:\n            self._window = min(self._window, self._formula())\n", "        self._raise_due = True\n")]),
    Mutant("the prefix in grant order", [(LANE, "end = self._status.find(OPEN, self.n)", "end = self.granted")]),
    Mutant("a failed one keeps its slot", [(STORE + "adoptions.py", 'state="failed", outcome=outcome)', 'state="failed", outcome=outcome, holding=False)')]),
    Mutant("the first outcome counts", [(STORE + "adoptions.py", 'if before is None or before.state != "open":', "if before is None:"), ("rollout/operation/crashed.py", 'if adoption.state == "open" and adoption not in before:', "if adoption not in before:")]),
    # P3
    Mutant("no go before a failure is judged", [(ADMISSION, 'return "a failure is not judged yet" if sight.unfolded_failure else None', "return None")]),
    Mutant("no go without fresh judgement", [(ADMISSION, "if sight.judgement_age is None or not sight.judgement_age <= limit:", "if False:")]),
    Mutant("no go while the engine is unseen", [(ADMISSION, "if sight.engine_age is None or not sight.engine_age <= ENGINE_LIMIT_SECONDS:", "if False:")]),
    Mutant("no go while frozen", [(ADMISSION, "    if case.frozen:", "    if False and case.frozen:")]),
    Mutant("no go on a directive that holds", [(ADMISSION, ' or ring.action != "install"', "")]),
    Mutant("nothing moves on while frozen", [(ADVANCE, 'why = "frozen" if tx.rollouts.frozen() is not None else eyes', "why = eyes")]),
    Mutant("nothing moves on unseen", [(ADVANCE, "if age is None or not age <= max(", "if age is not None and False and not age <= max(")]),
    Mutant("nothing moves on before a failure is judged", [(ADVANCE, 'return "a failure is not judged yet" if tx.events.unfolded_failure(judgement.event, record.id) else None', "return None")]),
    Mutant("an approval needs eyes", [("workflows/activities.py", 'why = eyes.blindness(tx, record) if wanted.kind == "approve" else None', "why = None")]),
    Mutant("nothing starts while frozen", [(DRAFT, "if (freeze := tx.rollouts.frozen()) is not None:", "if (freeze := tx.rollouts.frozen()) is not None and False:")]),
    Mutant("one open rollout a product", [(DRAFT, "for other in tx.rollouts.opened(wish.product):", "for other in ():")]),
    Mutant("one owner judges", [(STORE + "judging.py", "if not self._run(update(watch)", "if False and not self._run(update(watch)")]),
    Mutant("everybody is back before it is rolled back", [("rollout/operation/back.py", "if not way.done or not take", "if not take")]),
    # P4
    Mutant("no go after a stop", [(ADMISSION, 'if course.state in STOPPED or (case.ring is not None and case.ring.state == "halted"):', "if False:"), (ADMISSION, '"awaiting-approval", "completed"})', '"awaiting-approval", "completed", "halted", "rejected", "rolling-back"})'), (ADMISSION, '"awaiting-approval", "promoted"})', '"awaiting-approval", "promoted", "halted"})')]),
    Mutant("no resume from halted", [(DECISION, "    (State.PAUSED, Step.RESUME): State.RUNNING,", "    (State.PAUSED, Step.RESUME): State.RUNNING,\n    (State.HALTED, Step.RESUME): State.RUNNING,")]),
    Mutant("a stop stops every ring", [(DECISION, "(Step.HALT, Step.REJECT, Step.TRIP, Step.ROLL_BACK), RingStep.STOP", "(), RingStep.STOP")]),
    Mutant("a stop is effective at once", [(DECISION, "    **{(state, Step.HALT): State.HALTED for state in (*FORWARD, State.COMPLETED)},", "    **{(state, Step.HALT): State.HALTED for state in (State.RUNNING, State.PAUSED)},")]),
    Mutant("no rollback under a newer rollout", [(STOP, "if newer and not already(record.state, Step.ROLL_BACK):", "if False and newer:")]),
    Mutant("consent is bound to the evidence", [(ACT, "if act.revision != record.revision:", "if False:")]),
    Mutant("nobody approves their own", [(ACT, "if act.person == record.started_by:", "if False:")]),
    Mutant("only an approver agrees", [(ACT, "if act.person not in tx.people.holders(role):", "if False:")]),
    Mutant("a quorum", [(ACT, "return len({vote.person for vote in cast}), max(1, approval.persons if approval else 1)", "return len({vote.person for vote in cast}), 1")]),
    Mutant("votes lapse", [(ACT, "record.revision, tx.at - VOTE_SECONDS)", "record.revision, 0.0)")]),
    Mutant("an approval guards its ring", [(ADVANCE, "asks = record.policy.ring(ring).approval is not None", "asks = False")]),
    Mutant("two lift a freeze", [(ACT, "TO_UNFREEZE = 2", "TO_UNFREEZE = 1")]),
    Mutant("an older directive is superseded", [(ADMISSION, "if case.ring is not None and case.director_version < (case.ring.directive_version or 0):", "if False:")]),
    Mutant("install is signed while it goes alone", [(PUBLISH, "if rollout.state not in (*FORWARD, State.COMPLETED) or place.state not in BEGUN:", "if False:")]),
    Mutant("a stale copy changes nothing", [("rollout/adapters/trust/files.py", "if _version(folder / TIMESTAMP) > _parsed_version(files[TIMESTAMP]):", "if False:")]),
    # P5, P6, P7
    Mutant("rings open in their order", [(ADVANCE, "ring = next((ring for ring in rings if ring.state != RingState.PROMOTED), None)", "ring = next((ring for ring in reversed(rings) if ring.state != RingState.PROMOTED), None)")]),
    Mutant("held out is held out", [(STANDING, "        return found\n\n    def place(", "        found = found and Member(found.host, next(iter(self._rings)), found.stratum, found.baseline, True, True)\n        return found\n\n    def place(")]),
    Mutant("what is judged is what the evidence says", [(TICK, "window=judged.window,", "window=judged.window + 1,")]),
    Mutant("evidence is kept", [(TICK, "lines = [(row.seq, dump(row)) for row in rows]", "lines = [(row.seq, dump(row)) for row in rows if row.seq % 7]")]),
)  # fmt: skip


def main() -> int:
    asked = _arguments()
    chosen = [mutant for mutant in MUTANTS if not asked.only or any(word in mutant.promise for word in asked.only)]
    print("| promise taken out | found by | after steps | seconds |", flush=True)
    print("|---|---|---:|---:|", flush=True)
    survived = 0
    with ThreadPoolExecutor(asked.jobs) as pool:
        for mutant, told in zip(
            chosen, pool.map(lambda each: try_one(each, asked.steps, asked.seed), chosen), strict=True
        ):
            found = told["found"]
            survived += found is None
            by = "**nothing**" if found is None else _short(str(found))
            steps = told["found_after"] if found is not None else told["steps"]
            print(f"| {mutant.promise} | {by} | {steps} | {told['seconds']} |", flush=True)
    print(f"\n{len(chosen)} mutants, {survived} survived", flush=True)
    return 1 if survived else 0


def try_one(mutant: Mutant, steps: int, seed: int) -> dict[str, object]:
    """What the model finds in a copy of the tree without this promise."""
    with TemporaryDirectory(prefix="rollout-mutant-") as name:
        tree = copy(Path(name))
        break_(mutant, tree)
        command = [
            sys.executable,
            "tests/scenarios/soak_model.py",
            "--steps",
            str(steps),
            "--seed",
            str(seed),
            "--brief",
        ]
        environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
        ran = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"{mutant.promise}: the model did not run\n{ran.stdout}{ran.stderr}")
    return json.loads(lines[-1])


def copy(tree: Path) -> Path:
    """What the model needs of the tree."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    return tree


def break_(mutant: Mutant, tree: Path) -> None:
    """Replace the words; SystemExit where they do not stand there exactly once."""
    for file, words, without in mutant.edits:
        path = tree / file
        text = path.read_text()
        if text.count(words) != 1:
            raise SystemExit(f"{mutant.promise}: {file} has {text.count(words)} times, not once: {words!r}")
        path.write_text(text.replace(words, without))


def _short(found: str) -> str:
    """The check's name: what stands before the first colon after the error's own name."""
    name, _, rest = found.partition(" ")
    return rest.split(":")[0] if name == "ViolationError" else f"{name}: {rest.splitlines()[0][:70] if rest else ''}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6_000, help="Of the model, at most, on each mutant.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", nargs="+", help="Mutants whose promise has one of these words.")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
