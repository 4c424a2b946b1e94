"""One round of the reference agent: look at the signed metadata, go back where told, ask, and adopt after a go.

Rule 1: back before forward. Rule 2: nothing forward on doubt: a ring that is refused, a product whose state is not
known, a damaged journal. Rule 3: no answer, an error, an expired go: do not adopt.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from rollout.adapters.clock import SystemClock
from rollout.directive.check import Selected, may_activate
from rollout.directive.facts import DirectorView, HostFacts
from rollout.directive.refusal import RefusedError
from rollout.errors import RolloutError, UnreachableError
from rollout.host import messages
from rollout.host.beater import Beater
from rollout.host.change import Change, Wanted
from rollout.host.check import check
from rollout.host.course import Course, Step
from rollout.host.door import Door
from rollout.host.folder import Identity
from rollout.host.machine import Machine
from rollout.host.messages import MOST_SECONDS, Reply
from rollout.host.packages import PackageStore
from rollout.host.presence import present
from rollout.host.saying import Saying
from rollout.host.state import read_host
from rollout.host.survey import survey

_FOR_GOOD = frozenset({"already", "held-out"})  # answers that this rollout will not change
_AGAIN_SECONDS = 15.0  # after no answer
_SOON_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """A directive that this host's own check selected."""

    chosen: Selected
    director: DirectorView
    host: HostFacts

    @property
    def wanted(self) -> Wanted:
        """The candidate, for an install."""
        order = self.chosen.order
        return Wanted(self.chosen.product, order.directive.rollout, order.name.release_counter, order.name.sha256)


class Agent:
    """What one enrolled host does, round after round. `closed`: why it may not go forward, empty where it may."""

    def __init__(
        self,
        state: Path,
        identity: Identity,
        door: Door,
        packages: PackageStore,
        machine: Machine,
        change: Change,
        say: Callable[[str], None],
        closed: str = "",
    ) -> None:
        self._state = state
        self._identity = identity
        self._door = door
        self._packages = packages
        self._machine = machine
        self._change = change
        self._say = say
        self._closed = closed
        self._clock = SystemClock()
        self._due: dict[str, float] = {}
        self._over: set[str] = set()
        self._staged: set[str] = set()
        self._saying = Saying(say)

    def round(self, beater: Beater) -> bool:
        """One round; whether every ring could be checked. OSError where the state folder cannot be written."""
        before = present(self._change)
        try:
            return self._round(beater)
        finally:
            if present(self._change) != before:
                beater.soon()

    def _round(self, beater: Beater) -> bool:
        self._change.tend()
        found, whole = self._checked()
        for each in found:
            if each.chosen.order.directive.action == "rollback":
                self._guarded(each, self._go_back, beater)
        if whole and not self._closed:
            self._forget_intents(found)
        for each in found:
            if each.chosen.order.directive.action == "install" and not self._closed:
                self._guarded(each, self._go_forward, beater)
        return whole

    @property
    def next_question(self) -> float | None:
        """When the next question is due, on the steady clock; None where none waits for its time."""
        now = self._clock.elapsed()
        waiting = [course.product for course in self._change.history.courses.values() if course.step is Step.INTENT]
        return min((due for product in waiting if (due := self._due.get(product, now)) > now), default=None)

    def _checked(self) -> tuple[list[Found], bool]:
        """All that is selected in any ring of this host, and whether every ring could be read."""
        try:
            host = read_host(self._state)
            roots = survey(self._state, self._identity.image, host, self._door, _now(self._clock))
        except (RolloutError, OSError) as error:
            self._saying.tell("metadata", f"no directive can be read: {error}")
            return [], False
        self._saying.tell("metadata", "")
        found: list[Found] = []
        whole = True
        for ring, root in roots.items():
            url = f"{self._identity.director}{ring}/"
            result = check(self._state, url, self._identity.image, ring, root=root)
            self._saying.tell(
                ring, "" if result.refused is None else f"ring {ring} is refused: {result.refused} ({result.detail})"
            )
            whole = whole and result.refused is None
            if result.director is not None and result.host is not None:
                chosen = [each for each in result.directives if each.selected]
                found += [Found(each, result.director, result.host) for each in chosen]
        return found, whole

    def _guarded(self, found: Found, act: Callable[[Found, Beater], None], beater: Beater) -> None:
        """One product's trouble keeps no other product from its way."""
        try:
            act(found, beater)
        except RolloutError as error:
            self._due[found.chosen.product] = self._clock.elapsed() + _AGAIN_SECONDS
            self._say(f"{found.chosen.product}: {error}")

    def _go_back(self, found: Found, _beater: Beater) -> None:
        """The package where it can be had; an installer that kept the release needs none."""
        order, product = found.chosen.order, found.chosen.product
        going = self._change.history.courses.get(product)
        if going is not None and (going.step, going.to) == (Step.RETURNING, order.name.release_counter):
            return  # on its way: tried again at the beginning of every round
        try:
            self._packages.fetch(order.target, order.name.sha256)
        except RolloutError as error:
            self._say(f"{product}: going back without the package: {error}")
        may_activate(found.chosen, found.director, found.host, _now(self._clock))
        leaving = found.host.installed[product]
        self._change.give_back(product, leaving, order.name.release_counter, order.name.sha256)

    def _forget_intents(self, found: list[Found]) -> None:
        """Drop intents that no directive asks for any more."""
        asked = {each.wanted for each in found if each.chosen.order.directive.action == "install"}
        for course in list(self._change.history.courses.values()):
            if course.step is Step.INTENT and _wanted(course) not in asked:
                self._change.withdraw(course.product)

    def _go_forward(self, found: Found, beater: Beater) -> None:
        wanted = found.wanted
        if not self._may_ask(wanted):
            return
        package = self._packages.fetch(found.chosen.order.target, wanted.sha256)
        course = self._change.intend(wanted)
        if wanted.sha256 not in self._staged:
            if not self._change.stage(course, package):
                self._due[wanted.product] = self._clock.elapsed() + _AGAIN_SECONDS
                return
            self._staged.add(wanted.sha256)
        sent = self._clock.elapsed()
        reply = self._ask(found)
        if reply.answer == "go" and reply.adoption is not None and reply.valid > 0:
            until = sent + min(reply.valid, MOST_SECONDS)
            self._due[wanted.product] = self._clock.elapsed() + _SOON_SECONDS  # a go that ran out is asked for again
            self._change.apply(course, reply.adoption, lambda: self._still_good(found, until, beater))
        else:
            self._refused(wanted, reply)

    def _may_ask(self, wanted: Wanted) -> bool:
        history, running = self._change.history, self._change.inventory.running
        if wanted.product not in running and not self._change.inventory.see(wanted.product):
            return False  # what it runs is not known
        installed = self._change.inventory.running[wanted.product]
        if installed is not None and installed >= wanted.candidate:
            return False
        if wanted.rollout in history.left or wanted.rollout in self._over or history.on_trial is not None:
            return False
        if history.step(wanted.product) not in {Step.IDLE, Step.INTENT, Step.SETTLED, Step.REVERTED}:
            return False
        return self._clock.elapsed() >= self._due.get(wanted.product, 0.0)

    def _ask(self, found: Found) -> Reply:
        """The gateway's answer; whatever else comes back is no answer."""
        wanted, boot = found.wanted, self._machine.boot
        version = found.director.roles["targets"].version
        body = messages.question(
            self._identity.host,
            wanted.product,
            wanted.candidate,
            wanted.sha256,
            boot=boot,
            director_version=version,
        )
        answer = self._door.post("/v1/adoptions", body)
        if answer.status != 200:
            raise UnreachableError(f"the question was answered {answer.status}: do not adopt")
        try:
            return msgspec.json.decode(answer.body, type=Reply)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnreachableError(f"the answer is not of its form, so it is none: {error}") from None

    def _refused(self, wanted: Wanted, reply: Reply) -> None:
        """Wait or no: when to ask again."""
        product, now = wanted.product, self._clock.elapsed()
        self._saying.tell(f"{product} asks", f"{product}/{wanted.candidate}: {reply.answer} {reply.reason}".rstrip())
        if reply.answer == "no" and reply.reason in _FOR_GOOD:
            self._over.add(wanted.rollout)
            self._change.withdraw(product)
        again = reply.retry_after if reply.answer == "wait" and reply.retry_after is not None else _AGAIN_SECONDS
        self._due[product] = now + min(max(again, 0.0), MOST_SECONDS)

    def _still_good(self, found: Found, until: float, beater: Beater) -> Path | None:
        """The verified package, looked at again, where go and lease both hold at this very moment."""
        beater.soon()
        package = self._packages.held(found.wanted.sha256)
        try:
            may_activate(found.chosen, found.director, found.host, _now(self._clock))
        except RefusedError as error:
            self._say(f"not loading: {error}")
            return None
        return package if self._clock.elapsed() < until else None


def _wanted(course: Course) -> Wanted:
    return Wanted(course.product, course.rollout, course.candidate, course.sha256)


def _now(clock: SystemClock) -> datetime:
    return datetime.fromtimestamp(clock.now(), UTC)
