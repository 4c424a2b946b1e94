"""Adoptions: who was let go, and what came of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rollout.ports.rollout import Tally


@dataclass(frozen=True, slots=True)
class Adoption:
    """One granted adoption. `state` is open, confirmed or failed; `outcome` says why it failed."""

    id: str
    rollout: str
    host: int
    product: str
    counter: int
    ring: str
    stratum: str
    order: int
    state: str
    outcome: str | None
    overdue: bool
    holding: bool
    granted_at: float
    boot: str
    director_version: int
    applied_boot: str | None = None
    applied_uptime: float | None = None
    uptime: float = 0.0
    boots: tuple[str, ...] = ()
    resolved_at: float | None = None
    rolled_back: bool = False


@dataclass(frozen=True, slots=True)
class Returning:
    """A touched host on its way back. `dark`: not heard since it was last marked dark; times are unix seconds.

    `running`: the counter it reports, None for none; `applying`: it last said that it applies this adoption; `boot`:
    the one it last spoke in, empty for none.
    """

    adoption: Adoption
    baseline: int | None
    running: int | None
    heard_at: float
    absent: bool
    dark: bool
    applying: bool
    boot: str

    @property
    def began(self) -> bool:
        """Whether its last beat is known to be later than its beginning: it was seen to apply, or to fail and speak on.

        A beat of the boot that asked, heard after its crash, may have been on its way since before it began: a
        collector's batches take seconds, and the host may be dead.
        """
        mine = self.adoption
        if mine.outcome == "crash" and mine.applied_boot is None:
            return self.boot not in {"", mine.boot}
        return mine.applied_boot is not None or (mine.state != "open" and mine.outcome not in {"dark", "deadline"})


class Adoptions(Protocol):
    """The adoption and tally tables; every change here keeps the tallies right."""

    def get(self, adoption: str) -> Adoption | None:
        """One adoption."""
        ...

    def some(self, adoptions: Collection[str]) -> Mapping[str, Adoption]:
        """These by id; unknown ones are missing."""
        ...

    def of_host(self, host: int) -> Sequence[Adoption]:
        """A host's adoptions in every rollout, oldest first."""
        ...

    def of_hosts(self, hosts: Collection[int]) -> Mapping[int, Sequence[Adoption]]:
        """As `of_host`, by host; those without any are missing."""
        ...

    def open_of(self, hosts: Collection[int]) -> Mapping[int, Sequence[Adoption]]:
        """Open adoptions by host, of these hosts; those without any are missing."""
        ...

    def unconfirmed_in(self, groups: Collection[str]) -> Mapping[str, Collection[int]]:
        """Hosts of these redundancy groups whose adoption holds a slot of a rollout that is judged; by group."""
        ...

    def of_rollout(self, rollout: str, state: str | None = None) -> Sequence[Adoption]:
        """A rollout's adoptions in grant order."""
        ...

    def granted_since(self, rollout: str, at: float) -> int:
        """How many were granted since `at`, unix seconds by the clock (`Transaction.now`)."""
        ...

    def grant(self, adoption: Adoption) -> int:
        """Store it (its `order` is ignored) and take a slot; its rank in grant order, from 0."""
        ...

    def grant_all(self, adoptions: Sequence[Adoption]) -> Sequence[int]:
        """As `grant`, in the order given."""
        ...

    def progress(self, adoptions: Sequence[Adoption]) -> None:
        """Store applied_boot, applied_uptime, uptime and boots of each."""
        ...

    def confirm(self, adoption: Adoption) -> bool:
        """Open to confirmed: gives its slot back, ends overdue; False if it was not open."""
        ...

    def confirm_all(self, adoptions: Sequence[Adoption]) -> Collection[str]:
        """As `confirm`: the ids of those that were open."""
        ...

    def fail(self, adoption: Adoption, outcome: str) -> bool:
        """Open to failed: keeps its slot, ends overdue; False if it was not open."""
        ...

    def fail_all(self, adoptions: Sequence[Adoption], outcome: str) -> Collection[str]:
        """As `fail`: the ids of those that were open."""
        ...

    def mark_overdue(self, *adoptions: Adoption) -> None:
        """Count open ones as overdue."""
        ...

    def release_slot(self, *adoptions: Adoption) -> None:
        """Give the slots of failed ones back."""
        ...

    def returning(self, rollout: str) -> Sequence[Returning]:
        """Every touched host that is not marked back, or reports the candidate again, in grant order."""
        ...

    def touched(self, rollout: str) -> int:
        """How many hosts were ever let go."""
        ...

    def mark_rolled_back(self, adoption: Adoption) -> None:
        """Its host reports its baseline again."""
        ...

    def set_dark(self, rollout: str, dark: Mapping[tuple[str, str], int]) -> None:
        """Replace the live number of dark hosts by (ring, stratum)."""
        ...

    def tallies(self, rollout: str) -> Mapping[tuple[str, str], Tally]:
        """By (ring, stratum)."""
        ...
