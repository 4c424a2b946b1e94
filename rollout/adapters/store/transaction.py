"""One transaction over all tables: the port's attributes, each made when first asked for."""

from functools import cached_property

from sqlalchemy.engine import Connection

from rollout.adapters.store.adoptions import AdoptionTable
from rollout.adapters.store.beacons import BeaconTable
from rollout.adapters.store.events import EventTable
from rollout.adapters.store.hosts import HostTable
from rollout.adapters.store.judging import JudgingTable
from rollout.adapters.store.people import PeopleTable
from rollout.adapters.store.publications import PublicationTable
from rollout.adapters.store.releases import ReleaseTable
from rollout.adapters.store.repeats import RepeatTable
from rollout.adapters.store.rollouts import RolloutTable


class Transaction:
    """All tables under one commit. `at`: unix seconds, higher than any committed before; `now`: the clock's."""

    def __init__(self, connection: Connection, at: float, now: float) -> None:
        self.connection = connection
        self.at = at
        self.now = now

    @cached_property
    def hosts(self) -> HostTable:
        """Hosts, presences and crashes."""
        return HostTable(self)

    @cached_property
    def events(self) -> EventTable:
        """What happened, in order."""
        return EventTable(self)

    @cached_property
    def rollouts(self) -> RolloutTable:
        """Rollouts, rings, members, the freeze."""
        return RolloutTable(self)

    @cached_property
    def adoptions(self) -> AdoptionTable:
        """Adoptions and tallies."""
        return AdoptionTable(self)

    @cached_property
    def judging(self) -> JudgingTable:
        """Watch, judgement, evidence."""
        return JudgingTable(self)

    @cached_property
    def beacons(self) -> BeaconTable:
        """Moving counters."""
        return BeaconTable(self)

    @cached_property
    def releases(self) -> ReleaseTable:
        """Releases and policies."""
        return ReleaseTable(self)

    @cached_property
    def publications(self) -> PublicationTable:
        """Signed metadata and ring maps."""
        return PublicationTable(self)

    @cached_property
    def people(self) -> PeopleTable:
        """Tokens, votes, audit."""
        return PeopleTable(self)

    @cached_property
    def repeats(self) -> RepeatTable:
        """Keyed requests and their answers."""
        return RepeatTable(self)
