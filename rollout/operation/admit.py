"""Admit: questions of hosts, each answered and granted in the transaction that reads the state.

What is the same for all questions of a transaction is read once; nobody else writes meanwhile, and the
desk counts its own grants.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import msgspec
import numpy as np

from rollout import admission
from rollout.admission import Case, Go, No, Reason, Wait
from rollout.event import EventKind
from rollout.operation.record import Memory, Refused
from rollout.operation.standing import Standing, Watching, named
from rollout.ports.adoption import Adoption
from rollout.ports.host import HostRecord
from rollout.ports.rollout import Member
from rollout.ports.store import Transaction
from rollout.telemetry import HERE, Integer, Name, Opaque, Presence

Identifier = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\Z")]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Question(msgspec.Struct):
    """One question (INTERFACES section 1.4); `director_version` is the targets version."""

    host: Name
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
    desk = Desk(tx, watching)
    answers: list[Answered] = []
    for row in rows:
        record = records.get(known.get(row.question.host, -1))
        if record is not None and record.retired_at is not None:
            record = None
        if row.public_key is not None and (record is None or record.public_key != row.public_key):
            answers.append(Refused.STRANGER)
        else:
            answers.append(desk.answer(row.question, record))
    if desk.woken:
        tx.events.heard(np.array(sorted(desk.woken), dtype=np.int32))
    return answers


class Desk:
    """One transaction's questions."""

    def __init__(self, tx: Transaction, watching: Watching) -> None:
        self._tx = tx
        self._watching = watching
        self._courses: dict[tuple[str, int], Standing | None] = {}
        self.woken: set[int] = set()

    @cached_property
    def _frozen(self) -> bool:
        return self._tx.rollouts.frozen() is not None

    def answer(self, question: Question, record: HostRecord | None) -> Answered:
        """Answer one, and grant where the answer is go."""
        course = self._course(question.product, question.release_counter)
        if record is None or course is None:
            answer = admission.answer(Case(record is not None, self._frozen, question.director_version))
            return answer if isinstance(answer, No) else No(Reason.NOT_DIRECTED)
        member = course.member(record)
        adoptions = self._tx.adoptions.of_host(record.key)
        mine = next((each for each in adoptions if each.rollout == course.rollout.id), None)
        case = Case(
            known=True,
            frozen=self._frozen,
            director_version=question.director_version,
            course=course.facts(question.release_counter, question.sha256),
            place=course.place(record, member, mine, adoptions),
            ring=course.ring(member),
            pace=course.pace(member),
            sight=course.sight,
        )
        answer = admission.answer(case)
        if not isinstance(answer, Go):
            return answer
        if mine is None:
            mine = self._grant(question, record.key, member, course)
        return Granted(answer, mine.id)

    def _course(self, product: str, counter: int) -> "Standing | None":
        key = (product, counter)
        if key not in self._courses:
            found = named(self._tx, product, counter)
            self._courses[key] = None if found is None else Standing(self._tx, self._watching, *found)
        return self._courses[key]

    def _grant(self, question: Question, host: int, member: Member | None, course: "Standing") -> Adoption:
        if member is None:  # no place, no go: admission has answered before
            raise AssertionError("granted a host without a place")
        tx, rollout = self._tx, course.rollout
        self._wake(host, question.boot)
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
            granted_at=tx.at,
            boot=question.boot,
            director_version=question.director_version,
        )
        order = tx.adoptions.grant(granted)
        course.count(member.stratum)
        detail = {"ring": member.ring, "stratum": member.stratum, "order": order, "boot": question.boot}
        tx.events.append(EventKind.GRANTED, host, rollout=rollout.id, adoption=granted.id, detail=detail)
        return granted

    def _wake(self, host: int, boot: str) -> None:
        """Who is granted is awake: a host that dies while it counts as asleep would die unseen."""
        tx = self._tx
        spoken = tx.hosts.presence([host]).get(host)
        if spoken is None:
            tx.hosts.save_presence([Presence(host, -1, boot, 0.0, "idle", HERE, "{}", None, tx.at)])
            tx.events.append(EventKind.JOINED, host, detail={"boot": boot})
        elif spoken.absent != HERE:
            tx.hosts.save_presence([spoken._replace(absent=HERE, at=tx.at)])
            tx.events.append(EventKind.AWAKE, host)
        self.woken.add(host)
