"""Events → evidence rows, in the order of events, with the hosts at risk just before each.

The fold is deterministic: a new owner of the watch replays the same events over the same places and stands
where the old one stood. It decides nothing; the judge does.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np

from rollout.event import Event, EventKind
from rollout.evidence.course import Course, is_late_by_sleep, passed
from rollout.evidence.fleet import HELD_OUT, NEVER, Fleet, Place
from rollout.evidence.pairing import Pairing
from rollout.evidence.risk import Risk
from rollout.evidence.rows import ActRow, AdoptionRow, FailureRow, MeasureRow, Row
from rollout.plan import OTHER

HELD_OUT_NAME = "held-out"


class Due(NamedTuple):
    """A passed deadline; `adoption`: the open one of a host that went dark, or the one that is late."""

    kind: EventKind
    host: int
    adoption: str | None


class EvidenceFold:
    """One rollout's fold. `rows` of `take` carry `seq` from `next_seq` on."""

    def __init__(
        self, rollout: str, product: str, rings: Sequence[str], strata: Sequence[str], interval: float
    ) -> None:
        self.rollout = rollout
        self.product = product
        self.rings = tuple(rings)
        self.strata = tuple(strata) if OTHER in strata else (*strata, OTHER)  # those born later are `other`
        self.fleet = Fleet(len(self.strata), interval)
        self.courses: dict[str, Course] = {}
        self.reboots = 0
        self.next_seq = 1  # the header is row 0
        self.exposed_rows = 0  # rows of exposed hosts so far: what the evidence revision counts
        self.pairing = Pairing(self.fleet)
        self._clock = 0.0
        self._index = {name: index for index, name in enumerate(self.strata)}
        self._risk = Risk(self.fleet, 0.0)
        self._course_of: dict[int, str] = {}
        self._unsettled: dict[str, Course] = {}

    def ring_name(self, position: int) -> str:
        """A ring's name by its position."""
        return HELD_OUT_NAME if position == HELD_OUT else self.rings[position]

    def place(
        self, host: int, ring: str, stratum: str, *, directed: bool, active: bool, turn: str | None = None
    ) -> Place:
        """A member's place; a stratum born later judges as `other`. `turn`: the ring with which it adopts."""
        index = self._index.get(stratum, self._index[OTHER])
        position = HELD_OUT if ring == HELD_OUT_NAME else self.rings.index(ring)
        return Place(host, position, index, directed, active, position if turn is None else self.rings.index(turn))

    def take(self, events: Iterable[Event], at: float, clock: float) -> list[Row]:
        """Fold events; the rows they make. `at`: seconds since the rollout began, `clock`: its own clock."""
        self._clock, self._risk = clock, Risk(self.fleet, clock)
        rows: list[Row] = []
        for event in events:
            if event.rollout is None or event.rollout == self.rollout:
                self.fleet.grow(event.host)
                self._risk.leave(event.host)
                rows += self._fold(event, at)
                self._risk.enter(event.host)
        return rows

    def due(self, clock: float, overdue: float, deadline: float, dark_after: float) -> list[Due]:
        """What the deadlines say now, dark hosts first."""
        silent = self.fleet.silent(clock, dark_after).tolist()
        found = [Due(EventKind.DARK, host, self._open_adoption(host)) for host in silent]
        first = min(overdue, deadline)
        for course in self._unsettled.values():
            if clock - course.granted <= first:
                break  # nor are those granted after it
            name = passed(course, clock, overdue, deadline)
            found += [Due(EventKind(name), course.host, course.adoption)] if name is not None else []
        return found

    def sleep(self, seconds: float) -> None:
        """Time passed on the rollout clock: it does not count for open adoptions of sleeping hosts."""
        fleet = self.fleet
        for host in np.flatnonzero(fleet.absent & fleet.granted & ~fleet.confirmed).tolist():
            course = self.courses[self._course_of[host]]
            if course.state == "open":
                course.slept += seconds

    def late_by_sleep(self, clock: float, overdue: float) -> int:
        """How many adoptions are overdue only since their hosts announced sleep; arguments as of `due`."""
        late = takewhile(lambda course: clock - course.granted > overdue, self._unsettled.values())
        return sum(is_late_by_sleep(course, clock, overdue) for course in late)

    def _open_adoption(self, host: int) -> str | None:
        course = self.courses.get(self._course_of.get(host, ""))
        return course.adoption if course is not None and course.state == "open" else None

    def _fold(self, event: Event, at: float) -> list[Row]:
        match event.kind:
            case EventKind.GRANTED:
                return self._grant(event, at)
            case EventKind.CONFIRMED | EventKind.OVERDUE | EventKind.RESOLVED:
                return self._settle(event, at)
            case EventKind.CRASHED | EventKind.DARK:
                return self._failures(event, at) + self._fail(event, at)
            case EventKind.REVERTED | EventKind.EXPIRED:
                return self._fail(event, at)
            case EventKind.ACTED | EventKind.MEASURED:
                row = self._act if event.kind is EventKind.ACTED else self._measure
                return [row(event, at)]
            case _:
                self._note(event)
                return []

    def _note(self, event: Event) -> None:
        """What changes who is at risk and makes no row."""
        match event.kind:
            case EventKind.ASLEEP | EventKind.AWAKE:
                self.fleet.absent[event.host] = event.kind is EventKind.ASLEEP
            case EventKind.RETIRED:
                self.fleet.retired[event.host] = True  # its open adoption keeps its slot to the deadline,
                self.fleet.absent[event.host] = False  # which no sleep puts off: nobody will say that it woke
            case EventKind.REBOOTED:
                self.reboots += int(self.fleet.granted[event.host])
                self._boot(event)
            case EventKind.JOINED:
                self._boot(event)
            case _:
                pass  # RAN speaks to others

    def _boot(self, event: Event) -> None:
        """Note when the host's present boot began; one that only asked has not said."""
        uptime = event.detail.get("uptime")
        self.fleet.booted[event.host] = NEVER if uptime is None else self._clock - uptime

    def _seq(self) -> int:
        self.next_seq += 1
        return self.next_seq - 1

    def _grant(self, event: Event, at: float) -> list[Row]:
        if event.adoption is None or event.adoption in self.courses:
            return []
        detail = event.detail
        course = Course(event.adoption, event.host, detail["ring"], detail["stratum"], detail["order"], self._clock)
        self.courses[course.adoption] = self._unsettled[course.adoption] = course
        self._course_of[event.host] = course.adoption
        self.fleet.granted[event.host] = True
        return [self._adoption(course, "granted", at)]

    def _settle(self, event: Event, at: float) -> list[Row]:
        """A later word on an adoption; the first outcome counts, and only a failed one's slot is given back later."""
        course = self.courses.get(event.adoption or "")
        needed = "failed" if event.kind is EventKind.RESOLVED else "open"
        if course is None or course.state != needed:
            return []
        if event.kind is EventKind.OVERDUE:
            course.overdue = True
            return [self._adoption(course, "overdue", at)]
        course.holding, course.overdue = False, False
        self._unsettled.pop(course.adoption, None)
        if event.kind is EventKind.RESOLVED:
            return [self._adoption(course, "resolved", at)]
        course.state = "confirmed"
        self.fleet.confirmed[event.host] = True
        return [self._adoption(course, "confirmed", at)]

    def _fail(self, event: Event, at: float) -> list[Row]:
        """The open adoption of the event's host fails, unless the event came before it or concerns another."""
        course = self.courses.get(event.adoption or self._course_of.get(event.host, ""))
        if course is None or course.state != "open" or self._is_before(event):
            return []
        course.state, course.failed, course.overdue = "failed", self._clock, False
        if event.kind is EventKind.REVERTED:
            self.fleet.reverted[event.host] = True
        return [self._adoption(course, "failed", at)]

    def _failures(self, event: Event, at: float) -> list[Row]:
        """Guard rows of a crash or of going dark; a host's first failure of each guard makes one.

        Hosts in neither risk set make none, but are dark all the same: coverage waits for nobody who is.
        """
        fleet, host = self.fleet, event.host
        if fleet.ring[host] < HELD_OUT:
            return []
        if self.rollout in event.detail.get("earlier", ()) and not (fleet.granted[host] and not self._is_before(event)):
            fleet.excluded[host], fleet.dark[host] = True, False  # a late report: it crashed before the rollout
            return []
        counts = not fleet.excluded[host]
        crash = event.kind is EventKind.CRASHED
        own = crash and self.product in event.detail.get("own", ())
        first = {
            "crash": crash and not fleet.crashed[host],
            "crash_or_dark": not fleet.crashed[host] and not fleet.darkened[host],
            "dark": not crash and not fleet.darkened[host],
            "own": own and not fleet.own_crashed[host],
        }
        rows = [self._failure(guard, event, at) for guard, applies in first.items() if applies and counts]
        fleet.crashed[host] |= crash
        fleet.own_crashed[host] |= own
        fleet.darkened[host] |= not crash
        fleet.dark[host] = not crash
        return rows

    def _failure(self, guard: str, event: Event, at: float) -> Row:
        fleet, host = self.fleet, event.host
        exposed = bool(fleet.granted[host]) and not self._is_before(event)
        uptime = event.detail.get("uptime")  # of a crash: when it is told the host has restarted
        risk = self._risk.counts(guard, host, exposed=exposed, uptime=uptime)
        self.exposed_rows += int(fleet.granted[host])
        return FailureRow(
            rollout=self.rollout,
            seq=self._seq(),
            at=at,
            ring=self.ring_name(int(fleet.ring[host])),
            guard=guard,  # type: ignore[arg-type]  # the keys of `first` are the guards
            stratum=self.strata[int(fleet.stratum[host])],
            arm="exposed" if exposed else "control",
            exposed_at_risk=risk.exposed,
            control_at_risk=risk.control,
            exposed_confirmed=risk.confirmed,
            band=risk.band,
            exposed_unmatched=risk.exposed_unmatched,
            control_in_stratum=risk.control_in_stratum,
            confirmed_in_stratum=risk.confirmed_in_stratum,
        )

    def _is_before(self, event: Event) -> bool:
        return self.rollout in event.detail.get("before", ())

    def _adoption(self, course: Course, outcome: str, at: float) -> Row:
        self.exposed_rows += 1
        return AdoptionRow(
            rollout=self.rollout,
            seq=self._seq(),
            at=at,
            ring=course.ring,
            stratum=course.stratum,
            adoption=outcome,  # type: ignore[arg-type]  # literals of this module
            order=course.order,
        )

    def _act(self, event: Event, at: float) -> Row:
        detail: Mapping[str, str] = event.detail
        return ActRow(
            rollout=self.rollout,
            seq=self._seq(),
            at=at,
            act=detail["act"],  # type: ignore[arg-type]  # written by our own acts
            ring=detail.get("ring"),
            person=detail.get("person"),
        )

    def _measure(self, event: Event, at: float) -> Row:
        """A pair's row. It is no failure and expected of every host: an approval given meanwhile stays good."""
        fleet, host, detail = self.fleet, event.host, event.detail
        self.pairing.note(detail["measure"], host, detail["other"])
        return MeasureRow(
            rollout=self.rollout,
            seq=self._seq(),
            at=at,
            ring=self.ring_name(int(fleet.ring[host])),
            stratum=self.strata[int(fleet.stratum[host])],
            measure=detail["measure"],
            exposed=detail["exposed"],
            control=detail["control"],
        )

    def dark_by_ring(self) -> dict[tuple[str, str], int]:
        """How many exposed hosts are dark now, by (ring, stratum)."""
        fleet = self.fleet
        dark = np.flatnonzero(fleet.dark & fleet.granted)
        places = zip(fleet.ring[dark].tolist(), fleet.stratum[dark].tolist(), strict=True)
        return {(self.ring_name(ring), self.strata[stratum]): n for (ring, stratum), n in Counter(places).items()}
