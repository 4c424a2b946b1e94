"""The judge and the pacer: rows in, answers out; no clock, no I/O. `Fold` is the whole of it."""

from rollout.judge.fold import Fold
from rollout.judge.promote import Gate
from rollout.judge.verdict import Judgement, Reason, Verdict

__all__ = ["Fold", "Gate", "Judgement", "Reason", "Verdict"]
