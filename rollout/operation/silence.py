"""Silence: how long a host may say nothing before people read it as dark.

A host's interval is the one last answered to it (INTERFACES 1.3): who was told to come back in a minute is not dark
because a rollout that began meanwhile asks for beats each second.
"""

import math

from rollout.ports.host import Presence
from rollout.ports.store import Transaction
from rollout.telemetry import HERE

BEATS = 3  # intervals of silence that make a host dark


class Silence:
    """When hosts were told which interval; `default`, in seconds, is that of a time without an open rollout."""

    def __init__(self, tx: Transaction, default: float) -> None:
        opened = tx.rollouts.opened()
        still = {record.id for record in opened}
        self._default = default
        self._longest = max((record.policy.dark_after.total_seconds() for record in opened), default=0.0)
        self._spans = [
            (
                record.started_at,
                math.inf if record.id in still else record.state_since,
                record.policy.heartbeat.total_seconds(),
            )
            for record in tx.rollouts.all()
        ]

    def dark(self, seen: Presence | None, newest: float, allowed: float | None = None) -> bool:
        """Whether a host is dark, as of the newest beat of anybody: an outage of the service makes nobody dark.

        `allowed`: the silence that a policy allows, in seconds; None: the longest that an open rollout does.
        """
        if seen is None or seen.absent != HERE:
            return seen is None
        silent = newest - seen.at
        if silent <= (self._longest if allowed is None else allowed):
            return False
        return silent > BEATS * self._answered(seen.at)

    def _answered(self, at: float) -> float:
        """The interval that a beat at `at` was answered: the smallest of what was open then."""
        return min((beat for begun, ended, beat in self._spans if begun <= at < ended), default=self._default)
