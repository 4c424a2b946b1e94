"""The auditor: after every act it looks at what changed in the store, in its order, and asks each promise of it."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rollout.decision import MOVES, RING_MOVES
from rollout.evidence.rows import Header, parse
from rollout.operation.admit import Answered, Granted
from tests.scenarios.model_book import Book
from tests.scenarios.model_log import Entry, Records
from tests.scenarios.model_metadata import Metadata
from tests.scenarios.model_promises import (
    BAKE,
    BEAT,
    BEGUN,
    COVERAGE,
    DEADLINE,
    ENGINE,
    FIRST_BATCH,
    FRESH,
    GOING,
    OPEN,
    PATIENCE,
    STOPPED,
    ViolationError,
    early_life,
    held,
)
from tests.scenarios.model_world import ModelWorld

JUDGED = "SELECT rollout, counter, clock, evidence, verdict, window, windows, promotable, document FROM judgement"
SEES = {"healthy", "inconclusive"}


class Auditor:
    """Knows what the store's own log told it, and what the world's clock said then."""

    def __init__(self, here: ModelWorld) -> None:
        self.here, self.records = here, Records(here.folder / "store.db")
        self.metadata = Metadata(here.folder, self.records)
        self.states: dict[str, str] = {}
        self.rings: dict[tuple[str, str], str] = {}
        self.frozen = False
        self.books: dict[str, Book] = {}
        self.failed_at: dict[str, float] = {}
        self.open: dict[str, tuple[str, float]] = {}  # adoption: rollout, rollout clock of its grant
        self.seen: Counter[str] = Counter()

    def look(self) -> None:
        """Everything that changed since the last look."""
        for entry in self.records.news():
            getattr(self, f"_{entry.kind}")(entry)
        going = [key for key, state in self.rings.items() if state not in {"halted", "promoted"}]
        held("P4 a stop stops every ring", not [key for key in going if self.states[key[0]] in STOPPED], going)
        self._judgements()

    def standing(self) -> object:
        """Every state, for who wants to know whether one changed."""
        return dict(self.states), dict(self.rings)

    # What people, the judge and the executor moved.

    def _rollout(self, entry: Entry) -> None:
        rollout, old, new = entry.rollout, entry.old, entry.new
        if not old:
            held("P3 nothing starts while frozen", not self.frozen, rollout)
            live = [each for each, state in self.states.items() if state in OPEN]
            held("one open rollout a product", not live and new == "running", (rollout, new, live))
        else:
            held("no move outside the table", new in {to for (a, _), to in MOVES.items() if a == old}, entry)
            held("P4 a stop is for good", old not in STOPPED or new in STOPPED, entry)
        if new == "completed":
            rings = {state for (name, _), state in self.rings.items() if name == rollout}
            held("P1 completed is every ring promoted", rings == {"promoted"}, rings)
            self._goes_forward(rollout)
        if new == "rolled-back":
            self._everybody_is_back(rollout)
        self.states[rollout] = new
        self.seen[f"to {new}" if old else "rollouts"] += 1

    def _ring(self, entry: Entry) -> None:
        rollout, ring, old, new = entry.rollout, entry.subject, entry.old, entry.new
        self.rings[rollout, ring] = new
        if not old:
            held("a ring waits unless it is empty", new == "waiting" or entry.more == "0", entry)
            return
        held("no ring move outside the table", new in {to for (a, _), to in RING_MOVES.items() if a == old}, entry)
        self.seen[f"ring {new}"] += 1
        if new in {"admitting", "promoted", "awaiting-approval"}:
            held("P4 no ring moves on in a stop", self.states[rollout] in GOING, entry)
            self._goes_forward(rollout)
        if new == "admitting":
            self._opened(entry)
        elif new in {"promoted", "awaiting-approval"}:
            self._promoted(entry)

    def _goes_forward(self, rollout: str) -> None:
        """Not frozen, by a judgement that is young, sees, and has folded every failure."""
        held("P3 nothing goes forward while frozen", not self.frozen, rollout)
        found = self.records.all("SELECT verdict, event FROM judgement WHERE rollout = ?", rollout)
        held("P3 nothing goes forward unjudged", found, rollout)
        verdict, event = found[0]
        age = self.here.clock.boot - self.books[rollout].judged_at
        held("P3 nothing goes forward unseen", age <= FRESH and verdict in SEES, (rollout, age, verdict))
        held("P3 nothing goes forward before a failure is judged", not self._unfolded(rollout, event), rollout)

    def _unfolded(self, rollout: str, event: int) -> bool:
        """Whether a crash or a self-revert is newer than what was judged."""
        newer = "SELECT 1 FROM event WHERE seq > ? AND kind IN ('crashed', 'reverted') AND coalesce(rollout, ?) = ?"
        return self.records.one(newer, event, rollout, rollout) is not None

    def _opened(self, entry: Entry) -> None:
        names = [name for rollout, name in self.rings if rollout == entry.rollout]
        before = {self.rings[entry.rollout, name] for name in names[: names.index(entry.subject)]}
        held("P5 no ring opens before its turn", before <= {"promoted"}, (entry, before))
        unsettled = "SELECT count(*) FROM adoption WHERE rollout = ? AND state = 'open' AND NOT overdue"
        held("P1 a ring opens on settled adoptions", not self.records.one(unsettled, entry.rollout), entry)

    def _promoted(self, entry: Entry) -> None:
        """Every gate, from the evidence rows as they stand, and the quorum from the votes."""
        rollout, ring = entry.rollout, entry.subject
        book = self.books[rollout]
        tick = book.tick
        judged = self.records.all("SELECT verdict, promotable FROM judgement WHERE rollout = ?", rollout)
        held("P1 only health is promoted", judged == [("healthy", 1)], (entry, judged))
        held("P1 a ring is promoted by its own judgement", tick is not None and tick.ring == ring, entry)
        n, x = book.prefix()
        limit = self._rules(rollout, ring)["promote"]["early_life"]
        safe = limit is None or early_life(n, x) <= limit + 1e-9
        held("P1 no promotion above the early-life limit", safe, (entry, n, x))
        baked = tick.clock - book.admitted.get(ring, float("inf"))
        held("P1 no promotion before minimum bake", baked >= BAKE, (entry, baked))
        covered = min(tick.control_reporting_bp, tick.reporting_bp) >= COVERAGE and not tick.blind
        held("P1 no promotion on thin data", covered, (entry, tick))
        held("P1 no promotion on evidence of harm", book.fold.e < 5, (entry, book.fold.e))
        if entry.new == "promoted" and self.asks(rollout, ring):
            self._approved(entry)

    def asks(self, rollout: str, ring: str) -> bool:
        return self._rules(rollout, ring)["approval"] is not None

    def _rules(self, rollout: str, ring: str) -> dict[str, Any]:
        policy = json.loads(self.records.one("SELECT policy FROM rollout WHERE id = ?", rollout))
        return next(each for each in policy["rings"] if each["name"] == ring)

    def _approved(self, entry: Entry) -> None:
        held("P4 a guarded ring is promoted out of its question", entry.old == "awaiting-approval", entry)
        statement = (
            "SELECT count(DISTINCT v.person) FROM vote v JOIN rollout r ON r.id = v.rollout"
            " WHERE r.id = ? AND v.act = 'approve' AND v.ring = ? AND v.person != r.started_by GROUP BY v.revision"
        )
        most = max((count for (count,) in self.records.all(statement, entry.rollout, entry.subject)), default=0)
        held("P4 a guarded ring needs two others at one revision", most >= 2, (entry, most))

    def _everybody_is_back(self, rollout: str) -> None:
        counter = self.records.one("SELECT counter FROM rollout WHERE id = ?", rollout)
        touched = [host for (host,) in self.records.all("SELECT host FROM adoption WHERE rollout = ?", rollout)]
        bodies = [self.here.bodies[host] for host in touched]
        left = [body.name for body in bodies if body.running == counter and not body.silent and not body.sleeping]
        held("P3 rolled back is everybody back who speaks", not left, (rollout, left))

    def _freeze(self, entry: Entry) -> None:
        if self.frozen and entry.new == "0":
            agreed = "SELECT count(DISTINCT person) FROM vote WHERE act = 'unfreeze' AND revision = ?"
            held("P4 a freeze is lifted by two", self.records.one(agreed, int(entry.more)) >= 2, entry)
        self.frozen = entry.new == "1"
        self.seen["freezes" if self.frozen else "unfreezes"] += 1

    # What hosts did.

    def asked(self, hosts: Sequence[int], version: int) -> list[Answered]:
        """Hosts ask; every go is held against the rows as they were, with a recount of the slots (P2, P3)."""
        here, rollout = self.here, self.here.name
        judged = self.records.all("SELECT verdict, event, window, windows FROM judgement WHERE rollout = ?", rollout)
        counted = "SELECT stratum, count(*) FROM adoption WHERE rollout = ? AND holding GROUP BY stratum"
        slots = Counter(dict(self.records.all(counted, rollout)))
        mine = dict(self.records.all("SELECT host, state FROM adoption WHERE rollout = ?", rollout))
        answers = here.ask(hosts, version)
        self.seen["questions"] += len(hosts)
        for host, answer in zip(hosts, answers, strict=True):
            if isinstance(answer, Granted):
                self._may_go(judged, version, host)
                if host in mine:
                    held("P2 only an open adoption goes again", mine[host] == "open", (host, mine[host]))
                    self.seen["goes again"] += 1
                    continue
                stratum = self.records.one("SELECT stratum FROM member WHERE rollout = ? AND host = ?", rollout, host)
                (_, _, window, windows) = judged[0]
                held("P2 outstanding is below the window", slots.total() < window, (host, slots, window))
                own = json.loads(windows).get(stratum, FIRST_BATCH)
                held("P2 outstanding is below the stratum's window", slots[stratum] < own, (host, slots, windows))
                slots[stratum] += 1
                mine[host] = "open"
        return answers

    def _may_go(self, judged: Sequence[tuple[str, int, int, str]], version: int, host: int) -> None:
        here, rollout = self.here, self.here.name
        held("P4 no go unless it goes", self.states[rollout] in GOING, (rollout, self.states[rollout]))
        held("P3 no go while frozen", not self.frozen, rollout)
        held("P3 no go unjudged", judged, rollout)
        age = here.clock.boot - self.books[rollout].judged_at
        held("P3 no go without fresh judgement", age <= FRESH, (host, age))
        held("P1 no go blind or in harm", judged[0][0] in SEES, (host, judged[0]))
        held("P3 no go before a failure is judged", not self._unfolded(rollout, judged[0][1]), host)
        engine = here.clock.boot - here.seen_engine
        held("P3 no go while the engine is unseen", engine <= ENGINE, (host, engine))
        ring = self.records.one("SELECT ring FROM member WHERE rollout = ? AND host = ?", rollout, host)
        first = self.records.one("SELECT directive_version FROM ring WHERE rollout = ? AND name = ?", rollout, ring)
        held("P4 no go on an older directive", first is not None and version >= first, (host, version, first))
        listed = json.loads(self.records.one("SELECT directives FROM repository WHERE name = ?", f"director/{ring}"))
        actions = [each["action"] for each in listed.values() if each["rollout"] == rollout]
        held("P3 no go on a directive that holds", actions == ["install"], (host, actions))

    def _grant(self, entry: Entry) -> None:
        rollout, host, ring = entry.rollout, entry.subject, entry.old
        held("P4 no grant after a stop", self.states[rollout] in GOING, entry)
        held("P3 no grant while frozen", not self.frozen, entry)
        held("P5 no grant before its ring is open", self.rings.get((rollout, ring)) in BEGUN, entry)
        place = self.records.all("SELECT ring, directed FROM member WHERE rollout = ? AND host = ?", rollout, host)
        held("P6 a host is granted in its own ring, never held out", place == [(ring, 1)], (entry, place))
        self.open[entry.more] = (
            rollout,
            self.records.one("SELECT coalesce(max(clock), 0) FROM judgement WHERE rollout = ?", rollout),
        )
        self.seen["grants"] += 1

    def _adoption(self, entry: Entry) -> None:
        held("the first outcome counts", entry.old == "open", entry)
        self.open.pop(entry.subject, None)
        if entry.new == "confirmed":
            held("P1 only who proved itself is confirmed", entry.subject in self.here.proved, entry)
        else:
            self.failed_at[entry.subject] = self.here.clock.boot
        self.seen[entry.new] += 1

    def _freed(self, entry: Entry) -> None:
        since = self.here.clock.boot - self.failed_at.get(entry.subject, float("inf"))
        held("P2 a failed adoption keeps its slot a deadline", entry.new == "confirmed" or since >= DEADLINE, entry)

    # What the watch wrote, and the publisher.

    def _marked(self, entry: Entry) -> None:
        self._book(entry.rollout).marks.append(entry.new)
        self.seen[entry.new] += 1

    def _judged(self, entry: Entry) -> None:
        book, blind = self._book(entry.rollout), bool(entry.old)
        held("P3 one owner judges at a time", int(entry.subject) == book.counter + 1, (entry, book.counter))
        held("P1 a blind tick marks nobody", not (blind and book.marks), (entry, book.marks))
        by = self.here.judging
        since = self.here.clock.boot - by.gap_at if by else BEAT
        held("P1 a gap marks nobody until everybody could beat", not book.marks or since >= BEAT, (entry, book.marks))
        book.counter, book.marks, book.judged_at = book.counter + 1, [], self.here.clock.boot
        self.seen["blind ticks" if blind else "ticks"] += 1

    def _published(self, entry: Entry) -> None:
        self.metadata.published(entry, self.states, self.rings)
        self.seen["publishes"] += 1

    def _book(self, rollout: str) -> Book:
        if rollout not in self.books:
            row = self.records.one("SELECT row FROM evidence WHERE rollout = ? AND seq = 0", rollout)
            header = None if row is None else parse(row, 1)
            if not isinstance(header, Header):
                raise ViolationError("P7 evidence begins with its header", rollout)
            self.books[rollout] = Book(self.here.policy_of(rollout), header)
        return self.books[rollout]

    def _judgements(self) -> None:
        for rollout, counter, clock, last, *stored in self.records.all(JUDGED):
            book = self._book(rollout)
            if counter == book.compared:
                continue
            newer = "SELECT row FROM evidence WHERE rollout = ? AND seq > ? ORDER BY seq"
            rows = [parse(row, number) for number, (row,) in enumerate(self.records.all(newer, rollout, book.seq), 2)]
            book.read([row for row in rows if row.seq])
            held("P7 evidence ends where it was judged", book.seq == last, (rollout, book.seq, last))
            book.compare(stored)
            book.compared = counter
            if book.tick is not None and not book.tick.blind:
                self._nobody_is_forgotten(rollout, clock)

    def _nobody_is_forgotten(self, rollout: str, clock: float) -> None:
        """P1: whoever does not confirm in time counts as failed; an announced sleep alone stops that clock."""
        late = [
            adoption
            for adoption, (its, granted) in self.open.items()
            if its == rollout and clock - granted > DEADLINE + PATIENCE and adoption not in self.here.slept
        ]
        held("P1 no adoption stays without outcome past its deadline", not late, (rollout, late))
