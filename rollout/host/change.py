"""Every change of what this host runs: written down before it is made, looked at after, taken back where in doubt.

Nothing here needs a network. The installer's word is the truth about what runs; the journal is the truth about why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from rollout.adapters.clock import SystemClock
from rollout.errors import DamagedError, SurroundingsError
from rollout.host import trial as trials
from rollout.host.course import Act, Course, History, Step
from rollout.host.installer import LATER, Installer
from rollout.host.inventory import Inventory
from rollout.host.journal import Journal
from rollout.host.machine import Machine
from rollout.host.packages import PackageStore
from rollout.host.resume import Next, resume, seen
from rollout.host.state import record_baseline
from rollout.host.trial import Trial

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a candidate is on trial: until it ran for `settle` seconds, and over at most `boots` further boots."""

    settle: float = 600.0
    boots: int = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """A candidate that this host's own check selected."""

    product: str
    rollout: str
    candidate: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Tools:
    """What a change is made with."""

    journal: Journal
    installer: Installer
    packages: PackageStore
    machine: Machine


class Change:
    """What one host runs, and how that changes."""

    def __init__(self, state: Path, tools: Tools, patience: Patience, say: Say) -> None:
        self._state = state
        self._journal = tools.journal
        self._installer = tools.installer
        self._packages = tools.packages
        self._machine = tools.machine
        self._patience = patience
        self._say = say
        self._clock = SystemClock()
        self._since: dict[str, float] = {}
        self._restarted = False
        self.inventory = Inventory(state, tools.installer, say)

    @property
    def history(self) -> History:
        """What the journal adds up to."""
        return self._journal.history

    def begin(self) -> None:
        """After a start: see what runs, count the boot, and bring every course that was cut off to a known place."""
        self.inventory.look(self.history.courses)
        self._count_boot()
        self._resume_all()

    def tend(self) -> None:
        """In every round: see what runs, go on with what has not arrived, end a trial that was survived."""
        self.inventory.look(self.history.courses)
        self._resume_all()
        course, now = self.history.on_trial, self._clock.elapsed()
        if course is None or course.step is not Step.APPLIED or not self._on_candidate(course):
            self._since.clear()
        elif now - self._since.setdefault(course.product, now) >= self._patience.settle:
            self._journal.note(Act.SETTLE, course.product)
            trials.end(self._state)
            self._say(f"{course.product}/{course.candidate} has survived its trial")

    def intend(self, wanted: Wanted) -> Course:
        """Record the intent with the way back, durable before anybody is asked."""
        product, baseline = wanted.product, self.inventory.running[wanted.product]
        before = self.history.courses.get(product)
        if before is not None and before.step is Step.INTENT:
            if (before.rollout, before.candidate, before.sha256) == (wanted.rollout, wanted.candidate, wanted.sha256):
                return before
            self.withdraw(product)
        if baseline is not None:
            record_baseline(self._state, product, baseline)
        known = before.sha256 if before is not None and before.candidate == baseline else None
        facts = {"rollout": wanted.rollout, "candidate": wanted.candidate, "sha256": wanted.sha256}
        course = self._journal.note(Act.INTEND, product, baseline=baseline, baseline_sha256=known, **facts)
        if course is None:
            raise AssertionError("an intent is a course")
        self._packages.keep(self._needed())
        return course

    def withdraw(self, product: str) -> None:
        """Drop an intent."""
        self._journal.note(Act.WITHDRAW, product)

    def stage(self, course: Course, package: Path) -> bool:
        """Let the installer put the package aside; whether it did."""
        code = self._installer.install(course.product, course.candidate, package)
        if code != 0:
            self._say(f"the installer would not take {course.product}/{course.candidate}: exit {code}")
        return code == 0

    def apply(self, course: Course, adoption: str, good: Callable[[], Path | None]) -> None:
        """A go: load the candidate, if `good` still gives its verified package at the very moment."""
        product = course.product
        self._journal.note(Act.APPLY, product, adoption=adoption)
        limit, boot = self._patience.boots, self._machine.boot
        trials.write(self._state, Trial(product, course.candidate, course.baseline, limit, boot))
        self._restarted = False
        package = good()
        if package is None:
            self._lapse(product)
            return
        self._say(f"loading {product}/{course.candidate}, adoption {adoption}")
        code = self._installer.load(product, course.candidate, package)
        if code == LATER:
            self._journal.note(Act.SCHEDULE, product)
            self._say(f"{product}/{course.candidate} runs after the next restart")
        elif code == 0 and self.inventory.runs(product, course.candidate):
            self._loaded(course)
        else:
            self.revert(product, f"its load ended with {code}")

    def revert(self, product: str, why: str) -> None:
        """Back to the baseline by this host's own decision; tried again in every round until it is there."""
        course = self.history.courses[product]
        if course.step is not Step.REVERTING:
            self._say(f"reverting {product}/{course.candidate}: {why}")
            self._journal.note(Act.REVERT, product, why=why)
        if self._put_back(product, course.baseline, course.baseline_sha256):
            self._journal.note(Act.REVERTED, product)
            trials.end(self._state)
            self._say(f"{product} is back at its baseline {course.baseline}")

    def give_back(self, product: str, leaving: int, to: int, sha256: str) -> None:
        """Obey a rollback directive that this host's own check selected, also where it is not known what runs."""
        self._say(f"{product}/{leaving} is withdrawn: back to {to}")
        course = self._journal.note(Act.RETURN, product, to=to, to_sha256=sha256, **{"from": leaving})
        if course is not None:
            self._return(course)

    def _return(self, course: Course) -> None:
        if self._put_back(course.product, course.to, course.to_sha256):
            self._journal.note(Act.RETURNED, course.product)
            if self.history.on_trial is None:
                trials.end(self._state)
            self._say(f"{course.product} is back at {course.to}")

    def _put_back(self, product: str, counter: int | None, sha256: str | None) -> bool:
        """Whether `counter` runs again; a broken installer is said and tried again, and stops nothing else."""
        try:
            code = self._installer.revert(product, counter, self._packages.held(sha256))
        except SurroundingsError as error:
            self._say(f"{product} is not back yet: {error}")
            return False
        if code == 0 and self.inventory.runs(product, counter):
            return True
        self._say(f"{product} is not back yet: the installer ended with {code}")
        return False

    def _count_boot(self) -> None:
        """The boot counter's rule: what an early-boot stub does too, on the same file."""
        course, boot = self.history.on_trial, self._machine.boot
        try:
            trial = trials.read(self._state)
        except DamagedError as error:
            if course is not None:
                self.revert(course.product, f"its boot counter is damaged ({error})")
            trials.end(self._state)
            return
        if course is None:
            self._orphaned(trial)
            trials.end(self._state)
            return
        if trial is None or trial.product != course.product:
            if course.step is Step.APPLYING:
                return  # it died before the counter was armed: nothing was loaded
            trial = Trial(course.product, course.candidate, course.baseline, self._patience.boots, boot)
        begun = trial.begun(boot)
        self._restarted = begun.boots > 0
        trials.write(self._state, begun)
        if begun.failed:
            self.revert(course.product, f"it was not survived: {begun.boots} boots since it was loaded")

    def _orphaned(self, trial: Trial | None) -> None:
        """A candidate on trial of which the journal knows nothing: the journal was lost, and the candidate goes."""
        if trial is None or trial.product in self.history.courses:
            return
        if self.inventory.runs(trial.product, trial.candidate):
            facts = {"rollout": "", "candidate": trial.candidate, "baseline": trial.baseline, "sha256": ""}
            self._journal.note(Act.INTEND, trial.product, **facts)
            self.revert(trial.product, "it is on trial, and no journal says why")

    def _resume_all(self) -> None:
        for product in list(self.history.courses):
            self._resume(self.history.courses[product])

    def _resume(self, course: Course) -> None:
        """From wherever a course was cut off to a place that is known."""
        sight = seen(course, self.inventory.running)
        match resume(course, sight, restarted=self._restarted):
            case Next.STAY:
                pass
            case Next.WITHDRAW:
                self.withdraw(course.product)
            case Next.LOADED:
                self._loaded(course)
            case Next.LAPSE:
                self._lapse(course.product)
            case Next.END:
                self._journal.note(Act.END, course.product)
            case Next.REVERT:
                self.revert(course.product, f"{course.step} but runs {sight}")
            case Next.RETURN:
                self._return(course)
            case _ as never:
                assert_never(never)

    def _loaded(self, course: Course) -> None:
        self._journal.note(Act.LOADED, course.product)
        self._since[course.product] = self._clock.elapsed()
        self._say(f"{course.product} runs {course.candidate}")

    def _lapse(self, product: str) -> None:
        self._journal.note(Act.LAPSE, product)
        trials.end(self._state)
        self._say(f"the go for {product} ran out before anything was loaded")

    def _on_candidate(self, course: Course) -> bool:
        return self.inventory.running.get(course.product) == course.candidate

    def _needed(self) -> set[str]:
        courses = self.history.courses.values()
        return {sha for c in courses for sha in (c.sha256, c.baseline_sha256, c.to_sha256) if sha}
