"""The policy of a round: kind content, seconds long, so that a whole rollout meets its faults within a minute."""

from copy import deepcopy
from typing import Any

from policies import profiles

CANARY, EARLY = 0.3, 0.3
"""Shares of the first rings; the last takes the rest. The first batch of five leaves most of them waiting for a go."""


def policy(hosts: int, watch: str = "5s", heartbeat: str = "1s", lease: str = "20s") -> dict[str, Any]:
    """Return the demonstration's policy, faster, with smaller rings and room for an outage before anything is late."""
    document: dict[str, Any] = deepcopy(profiles.document("demo"))
    document |= {"name": "chaos", "heartbeat": heartbeat, "lease": lease, "watch": watch}
    document["confirm"] |= {"uptime": "2s", "overdue": "12s", "dark_after": "8s", "deadline": "20s"}
    sizes = ({"hosts": int(CANARY * hosts)}, {"hosts": int(EARLY * hosts)}, {"rest": True})
    for ring, size in zip(document["rings"], sizes, strict=True):
        ring["size"] = size
        ring["bake"]["min"] = "5s"
        ring["promote"]["early_life"] = "100%"  # so few hosts prove no smaller one; other gates stay
    return document
