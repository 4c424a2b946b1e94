"""Admit: questions of hosts, each answered and granted in the transaction that reads the state.

What questions of a transaction are about is read once for all of them: nobody else writes meanwhile, and the
desk counts its own grants. They are written together, in order, at the end of the same transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import msgspec
import numpy as np

from rollout import admission
from rollout.admission import Case, Go, No, Reason, Wait
from rollout.operation.record import Memory, Refused
from rollout.operation.standing import Standing, Watching, named
from rollout.ports.adoption import Adoption
from rollout.ports.event import EventKind, Happened
from rollout.ports.host import HostRecord
from rollout.ports.rollout import Member
from rollout.ports.store import Transaction
from rollout.telemetry import HERE, HostName, Integer, Opaque, Presence

Identifier = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z")]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Question(msgspec.Struct):
    """One question (INTERFACES section 1.4); `director_version` is the targets version."""

    host: HostName
    product: Identifier
    release_counter: Integer
    sha256: Digest
    boot: Opaque
    director_version: Integer


@dataclass(frozen=True, slots=True)
class Row:
    """One question; `public_key` is the key it was verified with, None when a collector sent it."""

    question: Question
    public_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """A go and the adoption it is for."""

    go: Go
    adoption: str


Answered = Granted | Wait | No | Refused


def admit(tx: Transaction, rows: Sequence[Row], memory: Memory, watching: Watching) -> list[Answered]:
    """Answer questions in the order given; each sees the grants before it."""
    known = memory.find(tx, {row.question.host for row in rows})
    records = tx.hosts.records({known[row.question.host] for row in rows if row.question.host in known})
    desk = Desk(tx, watching, records)
    answers: list[Answered] = []
    for row in rows:
        record = records.get(known.get(row.question.host, -1))
        if record is not None and record.retired_at is not None:
            record = None
        if row.public_key is not None and (record is None or record.public_key != row.public_key):
            answers.append(Refused.STRANGER)
        else:
            answers.append(desk.answer(row.question, record))
    desk.write()
    return answers


class Desk:
    """One transaction's questions; `hosts`: those who ask, by key."""

    def __init__(self, tx: Transaction, watching: Watching, hosts: Mapping[int, HostRecord]) -> None:
        self._tx = tx
        self._watching = watching
        self._hosts = hosts.keys()
        self._group = {key: str(group) for key, each in hosts.items() if (group := each.attributes.get("group"))}
        self._courses: dict[tuple[str, int], Standing | None] = {}
        self._granted: dict[int, Adoption] = {}
        self._boots: dict[int, str] = {}

    @cached_property
    def _frozen(self) -> bool:
        return self._tx.rollouts.frozen() is not None

    @cached_property
    def _before(self) -> Mapping[int, Sequence[Adoption]]:
        """What each had been granted before this transaction."""
        return self._tx.adoptions.of_hosts(self._hosts)

    @cached_property
    def _unconfirmed(self) -> dict[str, set[int]]:
        """By redundancy group: hosts whose adoption holds a slot."""
        found = self._tx.adoptions.unconfirmed_in(set(self._group.values())) if self._group else {}
        return {group: set(hosts) for group, hosts in found.items()}

    def _has_partner(self, host: int) -> bool:
        """Say whether another host of its redundancy group is unconfirmed."""
        group = self._group.get(host)
        return group is not None and bool(self._unconfirmed.get(group, set()) - {host})

    def answer(self, question: Question, record: HostRecord | None) -> Answered:
        """Answer one, and grant where the answer is go."""
        course = self._course(question.product, question.release_counter)
        if record is None or course is None:
            answer = admission.answer(Case(record is not None, self._frozen, question.director_version))
            return answer if isinstance(answer, No) else No(Reason.NOT_DIRECTED)
        member = course.member(record)
        adoptions = self._adoptions(record.key)
        mine = next((each for each in adoptions if each.rollout == course.rollout.id), None)
        case = Case(
            known=True,
            frozen=self._frozen,
            director_version=question.director_version,
            course=course.facts(question.release_counter, question.sha256),
            place=course.place(record, member, mine, adoptions, partner=self._has_partner(record.key)),
            ring=course.ring(member),
            pace=course.pace(member),
            sight=course.sight,
        )
        answer = admission.answer(case)
        if not isinstance(answer, No) and not any(each.state == "open" for each in adoptions):
            self._boots[record.key] = question.boot  # a boot loop that asks again and again is not heard by asking
        if not isinstance(answer, Go):
            return answer
        if mine is None:
            mine = self._grant(question, record.key, member, course)
        return Granted(answer, mine.id)

    def _adoptions(self, host: int) -> Sequence[Adoption]:
        """A host's adoptions; who was granted one here has it open, and gets no other before it is settled."""
        before, mine = self._before.get(host, ()), self._granted.get(host)
        return before if mine is None else [*before, mine]

    def _course(self, product: str, counter: int) -> "Standing | None":
        key = (product, counter)
        if key not in self._courses:
            found = named(self._tx, product, counter)
            self._courses[key] = None if found is None else Standing(self._tx, self._watching, self._hosts, *found)
        return self._courses[key]

    def _grant(self, question: Question, host: int, member: Member | None, course: "Standing") -> Adoption:
        if member is None or host in self._granted:  # no place, or one open: admission has answered before
            raise AssertionError("granted a host without a place, or with an open adoption")
        rollout = course.rollout
        granted = Adoption(
            id=self._watching.identity(),
            rollout=rollout.id,
            host=host,
            product=rollout.product,
            counter=rollout.counter,
            ring=member.ring,
            stratum=member.stratum,
            order=0,
            state="open",
            outcome=None,
            overdue=False,
            holding=True,
            granted_at=self._tx.now,
            boot=question.boot,
            director_version=question.director_version,
        )
        self._granted[host] = granted
        if host in self._group:
            self._unconfirmed.setdefault(self._group[host], set()).add(host)
        course.count(member.stratum)
        return granted

    def write(self) -> None:
        """Write what was granted; who is granted or waits is awake, and was heard.

        Who waits is control from the question on: hosts that are awake must be compared with such hosts.
        """
        if not self._boots:
            return
        tx, granted = self._tx, list(self._granted.values())
        orders = tx.adoptions.grant_all(granted)
        rank = {one.host: order for one, order in zip(granted, orders, strict=True)}
        woken = self._wake()
        events: list[Happened] = []
        for host in self._boots:  # each as if it had asked alone
            events += [woken[host]] if host in woken else []
            if (one := self._granted.get(host)) is not None:
                detail = {"ring": one.ring, "stratum": one.stratum, "order": rank[host], "boot": one.boot}
                events.append(Happened(EventKind.GRANTED, host, detail, one.rollout, one.id))
        tx.events.extend(events)
        tx.events.heard(np.array(sorted(self._boots), dtype=np.int32))

    def _wake(self) -> Mapping[int, Happened]:
        """Wake them; what is to be told of those who slept: one that dies while it counts as asleep dies unseen."""
        tx = self._tx
        spoken = tx.hosts.presence(sorted(self._boots))
        saved: list[Presence] = []
        woken: dict[int, Happened] = {}
        for host, boot in self._boots.items():
            before = spoken.get(host)
            if before is None:
                saved.append(Presence(host, -1, boot, 0.0, "idle", HERE, "{}", None, tx.at))
                woken[host] = Happened(EventKind.JOINED, host, {"boot": boot})
            elif before.absent != HERE:
                saved.append(before._replace(absent=HERE, at=tx.at))
                woken[host] = Happened(EventKind.AWAKE, host)
        tx.hosts.save_presence(saved)
        return woken
