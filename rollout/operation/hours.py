"""Opening hours, by a store whose time never goes back and a clock that may."""

from datetime import UTC, datetime

from policies.opening import Opens
from rollout.ports.store import Transaction


def in_hours(opens: Opens, tx: Transaction) -> bool:
    """Whether a forward step may be taken now: both times must say so, which differ after the clock was set back."""
    return all(opens.is_open(datetime.fromtimestamp(each, UTC)) for each in (tx.at, tx.now))
