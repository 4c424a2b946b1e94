"""The gateway's working parts, wired: store, queues, what it remembers and what it sees."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from rollout.adapters import disk
from rollout.adapters.settings import Settings
from rollout.errors import RolloutError, UnauthenticatedError
from rollout.operation import admit, crashed, enrol, record
from rollout.operation.freshness import Freshness
from rollout.operation.record import Heard, Memory, Refused, Told
from rollout.operation.standing import Watching
from rollout.ports.clock import Clock
from rollout.ports.store import Store, Transaction
from rollout.service.door.patience import Patience
from rollout.service.gateway.caller import Caller, Keys, Signer, Tokens
from rollout.service.gateway.gathering import Gathering, Work
from rollout.service.gateway.metrics import Metrics

BEATS_PER_COMMIT, QUESTIONS_PER_COMMIT, CRASHES_PER_COMMIT, ENROLMENTS_PER_COMMIT = 2_000, 500, 500, 500
MOST_BEATS, MOST_QUESTIONS, MOST_CRASHES, MOST_ENROLMENTS = (
    100_000,
    20_000,
    50_000,
    20_000,
)  # waiting: seconds of work, not minutes


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the gateway is given."""

    settings: Settings
    store: Store
    clock: Clock


class Desk:
    """Everything that requests share."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.settings, self.store, self.clock = surroundings.settings, surroundings.store, surroundings.clock
        self.metrics = Metrics()
        disk.register(self.metrics.registry, self.settings.data)
        self.memory = Memory()
        self.freshness = Freshness()
        self.tokens = Tokens(self.settings.data)
        self.keys = Keys(self.store)
        self.patience = Patience(self.clock.elapsed)
        self.next_beat = self.settings.heartbeat_seconds
        watching = Watching(self.freshness, self.clock.elapsed, lambda: secrets.token_hex(16))

        def hear(tx: Transaction, rows: Sequence[record.Row]) -> Heard:
            return record.beats(tx, rows, self.memory, self.settings.heartbeat_seconds)

        def settle(heard: Heard) -> Sequence[Told]:
            record.remember(self.memory, heard)
            self.next_beat = heard.next_beat
            return heard.told

        def ask(tx: Transaction, rows: Sequence[admit.Row]) -> list[admit.Answered]:
            return admit.admit(tx, rows, self.memory, watching)

        def report(tx: Transaction, rows: Sequence[crashed.Row]) -> list[Refused | None]:
            return crashed.crashes(tx, rows, self.memory)

        def take(tx: Transaction, rows: Sequence[enrol.Row]) -> list[enrol.Enrolled | RolloutError]:
            return enrol.enrol(tx, rows, self.settings.heartbeat_seconds)

        def forget() -> None:
            self.memory.forget()

        self.beats: Gathering[record.Row, Heard, Told] = Gathering(
            self.store, Work("beats", hear, settle, BEATS_PER_COMMIT, MOST_BEATS, forget), self.metrics
        )
        self.questions: Gathering[admit.Row, list[admit.Answered], admit.Answered] = Gathering(
            self.store, Work("adoptions", ask, list, QUESTIONS_PER_COMMIT, MOST_QUESTIONS, forget), self.metrics
        )
        self.crashes: Gathering[crashed.Row, list[Refused | None], Refused | None] = Gathering(
            self.store, Work("crashes", report, list, CRASHES_PER_COMMIT, MOST_CRASHES, forget), self.metrics
        )
        self.enrolments: Gathering[enrol.Row, list[enrol.Enrolled | RolloutError], enrol.Enrolled | RolloutError] = (
            Gathering(self.store, Work("enrolments", take, list, ENROLMENTS_PER_COMMIT, MOST_ENROLMENTS), self.metrics)
        )

    @property
    def is_full(self) -> bool:
        """Whether beats are sent away."""
        return self.beats.is_full

    def refuse_stranger(self, caller: Caller) -> UnauthenticatedError:
        """The host's key was replaced after we read it."""
        if isinstance(caller, Signer):
            self.keys.forget(caller.host)
        return UnauthenticatedError("the host's key was replaced; enrol again", slug="signature")


def plain(seconds: float) -> float:
    """Whole seconds as an integer."""
    return int(seconds) if seconds == int(seconds) else seconds
