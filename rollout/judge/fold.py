"""Fold: rows in, judgement out.

The same rows in any chunking give the same bits, so a new owner of the watch recomputes exactly what the last one
knew, and an auditor what was decided. Guard rows are folded in arrays, the others one by one; only a resume makes
one kind wait for the other, so a batch is cut there.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final, cast

from policies.document import Policy
from rollout.evidence.rows import ActRow, AdoptionRow, EvidenceError, FailureRow, Guard, Header, Row, TickRow
from rollout.judge.batches import WEIGHED, resumes, until_resume
from rollout.judge.failures import Failures, Weighed
from rollout.judge.promote import Gate, Standing, gates
from rollout.judge.promotion import SAFETY_GUARDS, bound
from rollout.judge.verdict import Judgement, Reason, verdict
from rollout.judge.window import Alarm, Pacer

VOTE_SECONDS: Final = 3600.0
"""How long an approval counts."""


class Fold:
    """The judge and the pacer of one rollout: `take` its rows after the header, in order, then ask `judgement`."""

    def __init__(self, policy: Policy, header: Header) -> None:
        self.header = header
        self._policy = policy
        self._rings = {ring.name: ring for ring in policy.rings}
        filled = [name for name, hosts in (header.rings or {}).items() if hosts and name in self._rings]
        self._last_ring = filled[-1] if filled else policy.rings[-1].name
        self._seq, self._at = header.seq, header.at
        self._failures = Failures(policy, header)
        self._pacer = Pacer(policy, header.strata)
        self._control_dark = 0
        self._tick: TickRow | None = None
        self._admitted: dict[str, TickRow] = {}
        self._bake_until: dict[str, float] = {}
        self._votes: dict[tuple[str | None, str | None], ActRow] = {}
        self.pause: Reason | None = None
        self.first_pause: Reason | None = None

    @property
    def halt(self) -> Reason | None:
        """Return why the rollout is over, if it is."""
        return self._failures.halt

    @property
    def e(self) -> float:
        """Return E-bar now."""
        return self._failures.harm.e

    @property
    def window(self) -> int:
        """Return how many adoptions may be outstanding now."""
        return self._pacer.window

    @property
    def windows(self) -> dict[str, int]:
        """Return the same by stratum."""
        return self._pacer.windows

    @property
    def safety(self) -> Mapping[Guard, float]:
        """Return P of both promoting processes against the current ring's margin; empty where it has none."""
        margin = self._rings[self._tick.ring].promote.margin if self._tick is not None else None
        return {} if margin is None else self._failures.observed.safety.evidence(margin)

    def take(self, rows: Sequence[Row]) -> None:
        """Fold rows that follow those taken before; raises EvidenceError where they do not, or contradict them."""
        self._check_sequence(rows)
        for batch in until_resume(rows):
            mixed = set(map(type, batch)) != {FailureRow}
            others = [row for row in batch if type(row) not in WEIGHED] if mixed else []
            failures = [row for row in batch if type(row) is FailureRow] if mixed else cast("list[FailureRow]", batch)
            self._failures.picked.find(batch)
            silent = [row.seq for row in failures if row.guard == "dark" and row.arm == "control"]
            weighed = [row for row in batch if type(row) in WEIGHED] if mixed else failures
            paused = self._failures.weigh(cast("Sequence[Weighed]", weighed))
            alarmed = self._take_others(others, silent)
            self._control_dark += len(silent)
            self._stop(paused, alarmed)
            if others and resumes(others[-1]):
                self._resume()

    def may_promote(self) -> bool:
        """Say whether every gate of the current ring holds and its quorum has approved."""
        return _all_hold(self.gates()) and self.approved()

    def judgement(self) -> Judgement:
        """Return what the rows so far decide."""
        promotion = self.gates()
        promotable = _all_hold(promotion)
        word, sentence = verdict(self.halt, self.pause, self._tick, promotion)
        whole, tick = self._pacer.whole, self._tick
        return Judgement(
            verdict=word,
            said=sentence,
            e=self.e,
            guards=self._failures.harm.guards,
            halt=self.halt,
            pause=self.pause,
            window=self._pacer.window,
            windows=self._pacer.windows,
            ring=tick.ring if tick else None,
            promotable=promotable,
            approved=self.approved(),
            promotion=promotion,
            exceeded_max_bake=not promotable and self.over_bake,
            n=whole.n,
            x=whole.x,
            early_life=bound(whole.n, whole.x),
            unsettled=whole.unsettled,
            overdue=whole.overdue,
            outstanding=whole.outstanding,
            ratio=self._failures.observed.interval.limits(),
            blind=tick.blind if tick else None,
            clock=tick.clock if tick else 0.0,
            at=self._at,
            seq=self._seq,
            loudest=self._failures.harm.loudest(self._failures.observed.seen),
            seen=self._failures.observed.seen,
            measures=self._failures.harm.measures,
        )

    def gates(self) -> list[Gate]:
        """Return the gates of the current ring; none before the first tick, and then nothing is promotable."""
        tick, whole = self._tick, self._pacer.whole
        if tick is None:
            return []
        ring = self._rings[tick.ring]
        stop, seen = self.halt or self.pause, self._failures.observed.seen
        last = ring.name == self._last_ring
        margin = None if last else ring.promote.margin
        standing = Standing(
            tick=tick,
            admitted=self._admitted.get(ring.name),
            stopped=stop.sentence if stop else None,
            safety={} if margin is None else self._failures.observed.safety.evidence(margin),
            ordinary={guard: seen.control(guard) for guard in SAFETY_GUARDS},
            n=whole.n,
            x=whole.x,
            early_life=bound(whole.n, whole.x),
            at_once=self._pacer.at_once,
            allowed_at_once=self._pacer.allowed_at_once,
            e=self.e,
        )
        return gates(self._policy, ring, standing, last=last)

    def approved(self) -> bool:
        """Say whether the current ring's quorum approved this evidence: newer than any exposed failure, within 1 h."""
        if self._tick is None:
            return False
        approval = self._rings[self._tick.ring].approval
        if approval is None:
            return True
        votes = {
            person
            for (ring, person), vote in self._votes.items()
            if ring == self._tick.ring and vote.seq > self._failures.last_exposed and self._at - vote.at <= VOTE_SECONDS
        }
        return len(votes) >= approval.persons

    def _check_sequence(self, rows: Sequence[Row]) -> None:
        """Raise EvidenceError unless the rows follow without a gap."""
        if not rows:
            return
        due = range(self._seq + 1, self._seq + 1 + len(rows))
        seqs = [row.seq for row in rows]
        if seqs != list(due):
            found, missing = next((seq, want) for seq, want in zip(seqs, due, strict=True) if seq != want)
            raise EvidenceError(f"rollout {self.header.rollout}: seq {found} where {missing} is due")
        self._seq, self._at = seqs[-1], rows[-1].at

    def _take_others(self, rows: Sequence[Row], silent: list[int]) -> Reason | None:
        """Fold adoption, tick and act rows; return the pacer's first alarm."""
        first: Reason | None = None
        for row in rows:
            alarm: Alarm | None = None
            if isinstance(row, AdoptionRow):
                alarm = self._pacer.take(row)
            elif isinstance(row, TickRow):
                alarm = self._take_tick(row, self._control_dark + bisect_left(silent, row.seq))
            elif isinstance(row, ActRow) and row.act == "approve":
                self._votes[row.ring, row.person] = row
            if alarm is not None and first is None:
                first = Reason(alarm.kind, f"{alarm.sentence}, at {row.at:g} s", row.at, row.seq)
        return first

    def _take_tick(self, tick: TickRow, control_dark: int) -> Alarm | None:
        """Take a tick; the first of a ring opens it, and one that is blind marks nobody."""
        ring = self._rings.get(tick.ring)
        if ring is None:
            raise EvidenceError(f"rollout {tick.rollout}, seq {tick.seq}: the policy has no ring {tick.ring}")
        if self._tick is None or self._tick.ring != tick.ring:
            self._pacer.open_ring(ring)
        self._tick = tick
        if tick.admitted:
            self._admitted.setdefault(tick.ring, tick)
        return None if tick.blind else self._pacer.look(tick, control_dark)

    def _stop(self, *reasons: Reason | None) -> None:
        """Put the earliest reason in force, unless one is or the rollout had halted before it."""
        found = [reason for reason in reasons if reason is not None]
        if not found or self.pause is not None:
            return
        earliest = min(found, key=lambda reason: reason.seq)
        if self.halt is None or earliest.seq <= self.halt.seq:
            self.pause = earliest
            self.first_pause = self.first_pause or earliest

    def _resume(self) -> None:
        """Begin again after people looked: thresholds doubled, windows anew, one more maximum bake if it was over."""
        self._failures.harm.resume()
        self._pacer.resume()
        self.pause = None
        if self._tick is not None and self.over_bake:
            ring = self._rings[self._tick.ring]
            self._bake_until[ring.name] = self._tick.clock + ring.bake.max.total_seconds()

    @property
    def over_bake(self) -> bool:
        """Say whether the current ring has baked for its maximum."""
        if self._tick is None or self._tick.ring not in self._admitted:
            return False
        ring = self._rings[self._tick.ring]
        begun = self._admitted[ring.name].clock
        return self._tick.clock >= self._bake_until.get(ring.name, begun + ring.bake.max.total_seconds())


def _all_hold(promotion: Sequence[Gate]) -> bool:
    return bool(promotion) and all(gate.passed for gate in promotion)
