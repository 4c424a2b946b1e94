"""Deadlines: what the rollout clock has passed is written, where the store still says the adoption is open."""

from collections.abc import Sequence
from typing import Final

from rollout.evidence.fold import Due
from rollout.ports.adoption import Adoption
from rollout.ports.event import EventKind, Happened
from rollout.ports.store import Transaction

OF_OPEN: Final = frozenset({EventKind.OVERDUE, EventKind.EXPIRED})
"""What is said of open adoptions only. A dark host is dark whatever became of its adoption."""


def mark(tx: Transaction, rollout: str, due: Sequence[Due]) -> None:
    """Write the events of passed deadlines, in order; going dark comes first, and settles what is late as well."""
    found = tx.adoptions.some({one.adoption for one in due if one.adoption is not None})

    def named(kind: EventKind) -> list[Adoption]:
        return [found[one.adoption] for one in due if one.kind is kind and one.adoption and one.adoption in found]

    darkened = tx.adoptions.fail_all(named(EventKind.DARK), "dark")
    expired = tx.adoptions.fail_all(named(EventKind.EXPIRED), "deadline")
    late = {one.id: one for one in named(EventKind.OVERDUE) if one.state == "open" and one.id not in darkened}
    tx.adoptions.mark_overdue(*late.values())
    tx.adoptions.release_slot(*named(EventKind.RESOLVED))
    written = [one for one in due if one.kind not in OF_OPEN or one.adoption in expired or one.adoption in late]
    tx.events.extend([Happened(one.kind, one.host, {}, rollout, one.adoption) for one in written])
