"""Turns: with which ring a host may adopt, where a policy limits what one site or role may lose at once.

A host's ring is signed and computed by the host itself, so no limit can move it. What a limit can do is to make it
wait: it adopts with the first ring, its own or a later one, under whose limits its site and its role have room.
Rule 1: who has no site or role is of one and the same unknown one. Rule 2: a limit rounds down.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from policies.document import Policy, Ring

ROUNDING = 1e-9  # 10 % of 30 hosts are 3


@dataclass(frozen=True, slots=True)
class Seat:
    """A host that may adopt, its ring and its place among others of it (lowest first)."""

    host: str
    ring: str
    point: int
    site: str | None
    role: str | None


def is_limited(ring: Ring) -> bool:
    """Say whether a ring limits anything."""
    return ring.limits is not None and (ring.limits.site is not None or ring.limits.role is not None)


def turns(
    policy: Policy, seats: Iterable[Seat], everyone: Collection[tuple[str | None, str | None]]
) -> dict[str, str | None]:
    """Return of every host that may not adopt with its own ring the one with which it may, None: with none.

    `everyone`: (site, role) of all hosts there are, held-out ones too: a limit is a share of these.
    """
    if not any(is_limited(ring) for ring in policy.rings):
        return {}
    by_ring: dict[str, list[Seat]] = {}
    for seat in sorted(seats, key=lambda each: (each.point, each.host)):
        by_ring.setdefault(seat.ring, []).append(seat)
    totals = {"site": Counter(site for site, _ in everyone), "role": Counter(role for _, role in everyone)}
    taken: dict[str, Counter[str | None]] = {"site": Counter(), "role": Counter()}
    waiting: list[Seat] = []
    found: dict[str, str | None] = {}
    for ring in policy.rings:
        if ring.name not in by_ring:
            continue  # nobody opens it
        asking, waiting = [*waiting, *by_ring[ring.name]], []
        for seat in asking:
            if not _fits(ring, seat, taken, totals):
                waiting.append(seat)
                continue
            taken["site"][seat.site] += 1
            taken["role"][seat.role] += 1
            if seat.ring != ring.name:
                found[seat.host] = ring.name
    return found | {seat.host: None for seat in waiting}


def turn_of_newcomer(policy: Policy, ring: str) -> str | None:
    """Return with which ring a host adopts that enrolled later: the first from its own on that limits nothing."""
    names = [each.name for each in policy.rings]
    later = policy.rings[names.index(ring) :] if ring in names else ()
    return next((each.name for each in later if not is_limited(each)), None)


def _fits(
    ring: Ring,
    seat: Seat,
    taken: Mapping[str, Counter[str | None]],
    totals: Mapping[str, Counter[str | None]],
) -> bool:
    """Say whether the ring's limits leave room for one more of the host's site and role."""
    if ring.limits is None:
        return True
    asked = (("site", ring.limits.site, seat.site), ("role", ring.limits.role, seat.role))
    return all(
        share is None or taken[what][name] + 1 <= share * totals[what][name] + ROUNDING for what, share, name in asked
    )
