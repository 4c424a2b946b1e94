"""Where a rollout stands, as one transaction reads it for all questions about it, and the grants made since."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rollout import admission
from rollout.admission import Course, Pace, Place, Sight
from rollout.decision import BEGUN
from rollout.operation.freshness import Freshness
from rollout.operation.hours import in_hours
from rollout.operation.newcomer import enlist
from rollout.ports.adoption import Adoption
from rollout.ports.host import HostRecord
from rollout.ports.judging import StoredJudgement
from rollout.ports.rollout import Member, RingRecord, RolloutRecord
from rollout.ports.store import Transaction
from rollout.ringmap import HELD_OUT, bucket
from rollout.telemetry import counters

ENGINE = "engine"


def judgement_name(rollout: str) -> str:
    """Under which a judgement's counter is observed."""
    return f"judgement/{rollout}"


@dataclass(frozen=True, slots=True)
class Watching:
    """What this process saw move, by when (seconds of its own clock), and new ids for adoptions."""

    freshness: Freshness
    elapsed: Callable[[], float]
    identity: Callable[[], str]


def named(tx: Transaction, product: str, counter: int) -> tuple[RolloutRecord, bool] | None:
    """The newest rollout of this release and whether it is its product's newest; the product's newest for any other.

    A release that was never rolled out is answered by the product's newest rollout: not directed.
    """
    newest = tx.rollouts.newest(product)
    if newest is None or newest.counter == counter:
        return None if newest is None else (newest, not newest.superseded)
    older = (each for each in tx.rollouts.all() if each.product == product and each.counter == counter)
    found = next(older, None)
    return (newest, True) if found is None else (found, False)


class Standing:
    """One rollout as this transaction reads it, and the grants made since; `hosts`: keys of those who ask."""

    def __init__(
        self, tx: Transaction, watching: Watching, hosts: Collection[int], rollout: RolloutRecord, newest: bool
    ) -> None:
        self._tx = tx
        self._hosts = hosts
        self._watching = watching
        self.rollout = rollout
        self._newest = newest
        self._rings = {ring.name: ring for ring in tx.rollouts.rings(rollout.id)}
        self._directives: dict[str, dict[str, Any] | None] = {}
        tallies = tx.adoptions.tallies(rollout.id)
        self._outstanding: dict[str, int] = {}
        for (_, stratum), tally in tallies.items():
            self._outstanding[stratum] = self._outstanding.get(stratum, 0) + tally.outstanding
        self._granted = 0

    def facts(self, release_counter: int, sha256: str) -> Course:
        """The rollout, and whether the question names its release."""
        policy = self.rollout.policy
        return Course(
            state=self.rollout.state,
            newest=self._newest,
            matches=(release_counter, sha256) == (self.rollout.counter, self._sha256),
            heartbeat=policy.heartbeat.total_seconds(),
            deadline=policy.confirm.deadline.total_seconds(),
        )

    @cached_property
    def _sha256(self) -> str | None:
        release = self._tx.releases.get(self.rollout.product, self.rollout.counter)
        return None if release is None else release.sha256

    def member(self, record: HostRecord) -> Member | None:
        """The host's place; one that enrolled meanwhile gets its place now."""
        found = self._members.get(record.key)
        if found is None and not self.rollout.over:
            spoken = self._tx.hosts.presence([record.key]).get(record.key)
            counter = None if spoken is None else counters(spoken.running).get(self.rollout.product)
            running = {} if counter is None else {record.key: counter}
            found = enlist(self._tx, self.rollout, [record], running).get(record.key)
            if found is not None:
                self._members[record.key] = found
        return found

    @cached_property
    def _members(self) -> dict[int, Member]:
        return {member.host: member for member in self._tx.rollouts.members(self.rollout.id, self._hosts)}

    def place(
        self,
        record: HostRecord,
        member: Member | None,
        mine: Adoption | None,
        adoptions: Sequence[Adoption],
        *,
        partner: bool,
    ) -> Place | None:
        """The host's place as admission sees it; `partner`: another of its redundancy group is unconfirmed."""
        if member is None:
            return None
        custom = self._directive(member.ring)
        exposure = custom.get("exposure_bp") if custom is not None else None
        salt = custom.get("salt") if custom is not None else None
        selected = type(exposure) is int and isinstance(salt, str) and bucket(salt, record.id) < exposure
        elsewhere = any(each.state == "open" and each.product != self.rollout.product for each in adoptions)
        return Place(
            held_out=member.ring == HELD_OUT,
            eligible=member.directed,
            selected=selected,
            adoption=mine.state if mine else None,
            adopting_elsewhere=elsewhere,
            limited_to=None if self._has_turn(member) else member.turn,
            partner=partner,
        )

    def _has_turn(self, member: Member) -> bool:
        """Say whether the ring has opened with which a limit lets this host adopt."""
        ring = None if member.turn is None else self._rings.get(member.turn)
        return member.turn is None or (ring is not None and ring.state in BEGUN)

    def ring(self, member: Member | None) -> admission.Ring | None:
        """The host's ring, None for who is held out or nowhere."""
        record = self._rings.get(member.ring) if member is not None else None
        if record is None:
            return None
        custom = self._directive(record.name)
        action = custom.get("action") if custom is not None else None
        return admission.Ring(record.state, record.directive_version, action, self._in_hours(record))

    def _in_hours(self, record: RingRecord) -> bool:
        opens = self.rollout.policy.ring(record.name).opens
        return opens is None or in_hours(opens, self._tx)

    def _directive(self, ring: str) -> dict[str, Any] | None:
        """What the ring's Director says of this rollout now, None where it says nothing."""
        if ring not in self._directives:
            repository = self._tx.publications.repository(f"director/{ring}") if ring in self._rings else None
            listed = {} if repository is None else repository.directives
            mine = [dict(custom) for custom in listed.values() if custom.get("rollout") == self.rollout.id]
            forward = [custom for custom in mine if custom.get("action") in {"install", "hold"}]
            self._directives[ring] = forward[0] if len(forward) == 1 else None
        return self._directives[ring]

    def pace(self, member: Member | None) -> Pace | None:
        """Slots taken and windows in force."""
        if member is None or member.ring not in self._rings:
            return None
        ring = self.rollout.policy.ring(member.ring)
        judged = self._judgement
        return Pace(
            window=None if judged is None else judged.window,
            outstanding=sum(self._outstanding.values()),
            stratum_window=None if judged is None else judged.windows.get(member.stratum),
            stratum_outstanding=self._outstanding.get(member.stratum, 0),
            first_batch=ring.first_batch,
            granted_last_minute=0 if ring.max_per_minute is None else self._last_minute + self._granted,
            max_per_minute=ring.max_per_minute,
        )

    @cached_property
    def _last_minute(self) -> int:
        """Grants of the last minute, but for those counted here."""
        return self._tx.adoptions.granted_since(self.rollout.id, self._tx.now - 60)

    def count(self, stratum: str) -> None:
        """One more is granted and outstanding."""
        self._granted += 1
        self._outstanding[stratum] = self._outstanding.get(stratum, 0) + 1

    @cached_property
    def _judgement(self) -> StoredJudgement | None:
        return self._tx.judging.judgement(self.rollout.id)

    @cached_property
    def sight(self) -> Sight:
        """How fresh what we know is; the counter read here is observed here."""
        judged, watching = self._judgement, self._watching
        name, now = judgement_name(self.rollout.id), watching.elapsed()
        if judged is not None:
            watching.freshness.observe(name, judged.counter, now)
        return Sight(
            verdict=None if judged is None else judged.verdict,
            judgement_age=watching.freshness.age(name, now),
            judge_every=self.rollout.policy.judge.every.total_seconds(),
            engine_age=watching.freshness.age(ENGINE, now),
            unfolded_failure=judged is None or self._tx.events.unfolded_failure(judged.event, self.rollout.id),
        )
