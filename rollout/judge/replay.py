"""Replay recorded evidence: what the judge decides, and when it first did (P7).

Gates are asked at the ticks that could open them, so that a long file costs little more than its fold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from policies.document import Policy
from policies.error import PolicyError
from policies.load import load
from rollout.evidence.rows import ActRow, EvidenceError, Header, Row, TickRow
from rollout.judge.explain import terms
from rollout.judge.fold import Fold


def replay(rows: Sequence[Row], policy: Policy | None = None) -> dict[str, Any]:
    """Return the answer of `rollout judge` for one rollout's rows, header first (contract: section 6).

    `policy` overrides the one in the header. Raises EvidenceError where there is neither, or rows contradict.
    """
    header = rows[0] if rows else None
    if not isinstance(header, Header):
        raise EvidenceError("a rollout's evidence begins with its header (seq 0)")
    chosen = policy if policy is not None else _policy_of(header)
    fold = Fold(chosen, header)
    promote_at: dict[str, float | None] = dict.fromkeys(ring.name for ring in chosen.rings)
    taken = 1
    for index, ring in _candidates(rows, chosen, promote_at):
        fold.take(rows[taken : index + 1])
        taken = index + 1
        if fold.may_promote():
            promote_at[ring] = rows[index].at
    fold.take(rows[taken:])
    return _answer(fold, len(rows), promote_at)


def _answer(fold: Fold, size: int, promote_at: dict[str, float | None]) -> dict[str, Any]:
    judged = fold.judgement()
    low, high = judged.ratio
    return {
        "rollout": fold.header.rollout,
        "verdict": judged.verdict,
        "halt_at": judged.halt.at if judged.halt else None,
        "pause_at": fold.first_pause.at if fold.first_pause else None,
        "promote_at": promote_at,
        "e": {"halt": judged.e, "guards": judged.guards},
        "window": judged.window,
        "ratio": {"low": low, "high": high},
        "rows": size,
        "sentence": judged.sentence,
        "terms": [asdict(term) for term in terms(judged)],
    }


def _candidates(rows: Sequence[Row], policy: Policy, promoted: dict[str, float | None]) -> Iterator[tuple[int, str]]:
    """Yield (index, ring) of ticks whose own numbers open their ring's gates, and of approvals after such a tick."""
    rings = {ring.name: ring for ring in policy.rings}
    admitted: dict[str, TickRow] = {}
    ready: str | None = None
    for index, row in enumerate(rows):
        if isinstance(row, TickRow) and row.ring in rings:
            bake = rings[row.ring].bake
            if row.admitted:
                admitted.setdefault(row.ring, row)
            begun = admitted.get(row.ring)
            baked = begun is not None and (
                row.clock - begun.clock >= bake.min.total_seconds()
                and row.host_hours - begun.host_hours >= bake.host_hours
            )
            covered = min(row.reporting_bp, row.control_reporting_bp) / 10_000 >= policy.coverage.at_least
            ready = row.ring if baked and covered and row.blind is None else None
        elif not (isinstance(row, ActRow) and row.act == "approve"):
            continue
        if ready is not None and promoted[ready] is None:
            yield index, ready


def _policy_of(header: Header) -> Policy:
    """Return the policy that the header carries."""
    if header.policy is None:
        raise EvidenceError(f"the header of rollout {header.rollout} carries no policy; give one with --policy")
    try:
        return load(header.policy)
    except PolicyError as error:
        said = "; ".join(problem.detail for problem in error.problems)
        raise EvidenceError(f"the policy in the header of rollout {header.rollout}: {said}") from error
