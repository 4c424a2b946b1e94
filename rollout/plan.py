"""Plan: release x policy x inventory = ring map, strata, baselines.

In: facts, all read before. Out: one value that says of every host which ring it belongs to, with whom it is compared
and what it would return to. Rule 1: the plan says nothing that a host could not compute from the signed map itself.
Rule 2: a host whose way back is unknown is not taken along in silence.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from policies.document import Policy, Size
from rollout.errors import ConflictError
from rollout.ringmap import HELD_OUT, BoundaryError, RingMap, boundaries, point
from rollout.turn import Seat, turns

SMALLEST_STRATUM = 20  # hosts; a smaller one has too little control to be judged by itself (JUDGE section 2)
LEAST_HELD_OUT = 10  # hosts, or a third of a fleet too small for that
OTHER = "other"
SALTS = 20  # two hosts share the very point of a boundary about once in 250 plans of a million hosts
NAMED = 20  # host names in a refusal


@dataclass(frozen=True, slots=True)
class InventoryHost:
    """What the store knows of one host that is not retired. `running`: counter it reported for the product."""

    host: str
    form: str
    os_build: int
    hardware: str
    tags: tuple[str, ...] = ()
    running: int | None = None
    heard: bool = True
    site: str | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """What the plan needs of a release; `os_builds` is inclusive, hardware `*` is any."""

    product: str
    release_counter: int
    hardware: tuple[str, ...]
    os_builds: tuple[int, int]
    floor: int = 0
    rollback_to: int | None = None


@dataclass(frozen=True, slots=True)
class RingCount:
    """One ring of the policy, in its order: all hosts in it, those that may adopt with it, and those lately heard."""

    name: str
    hosts: int
    eligible: int
    heard: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Who belongs where. `members` covers every host; `rings` every ring of the policy, empty ones with 0 hosts.

    `unstored`: hosts left undirected, since what they run is no stored release. `ineligible`: host to its reason
    (`hardware`, `os-build`, `running`, `limits`). `turn`: hosts that a limit lets adopt with a later ring than their
    own, to that ring. `stranded`: eligible hosts that no rollback may take back, since what they
    run and `rollback_to` lie below the candidate's floor.
    """

    ring_map: RingMap
    members: dict[str, str]
    stratum: dict[str, str]
    baseline: dict[str, int | None]
    strata: tuple[str, ...]
    rings: tuple[RingCount, ...]
    held_out: int
    unstored: tuple[str, ...]
    ineligible: dict[str, str]
    stranded: tuple[str, ...]
    turn: dict[str, str]

    @property
    def last_ring(self) -> str:
        """Return the last ring that has hosts; completion follows it."""
        return next(ring.name for ring in reversed(self.rings) if ring.hosts)


def plan(
    policy: Policy,
    release: ReleaseFacts,
    inventory: Sequence[InventoryHost],
    stored: Collection[int],
    *,
    salt: str,
    n: int,
    skip_unstored: bool = False,
) -> Plan:
    """Plan one rollout; `stored` are the product's stored counters, `n` the new map's number.

    Raises ConflictError: `unstored-baseline` (with up to 20 names) where a host reports a counter that is not stored,
    `no-hosts` where no ring would have a host: nothing exposed is nothing proven.
    """
    known = frozenset(stored)
    unstored = tuple(sorted(seen.host for seen in inventory if seen.running is not None and seen.running not in known))
    if unstored and not skip_unstored:
        raise _unstored(release.product, unstored)
    ring_map = draw_map(policy, release.product, inventory, salt=salt, n=n)
    members = {seen.host: ring_map.ring_of(seen.host, seen.tags) or HELD_OUT for seen in inventory}
    strata = merged_strata(inventory)
    reasons = {seen.host: why_not(seen, release) for seen in inventory}
    ineligible = {host: reason for host, reason in reasons.items() if reason is not None}
    excluded = ineligible.keys() | set(unstored)
    turn = turns_of(policy, ring_map, members, [seen for seen in inventory if seen.host not in excluded], inventory)
    ineligible |= dict.fromkeys((host for host, ring in turn.items() if ring is None), "limits")
    later = {host: ring for host, ring in turn.items() if ring is not None}
    eligible = [seen for seen in inventory if seen.host not in excluded and turn.get(seen.host, "") is not None]
    return Plan(
        ring_map=ring_map,
        members=members,
        stratum={seen.host: stratum_among(strata, seen.form, seen.os_build, seen.hardware) for seen in inventory},
        baseline={seen.host: seen.running for seen in inventory},
        strata=tuple(sorted(strata)),
        rings=_counts(policy, members, members | later, eligible),
        held_out=sum(ring == HELD_OUT for ring in members.values()),
        unstored=unstored,
        ineligible=ineligible,
        stranded=tuple(seen.host for seen in eligible if _stranded(seen, release)),
        turn=later,
    )


def turns_of(
    policy: Policy,
    ring_map: RingMap,
    members: Mapping[str, str],
    adopting: Iterable[InventoryHost],
    inventory: Iterable[InventoryHost],
) -> dict[str, str | None]:
    """Return with which ring each host adopts that may not adopt with its own; None: with none."""
    seats = (
        Seat(seen.host, members[seen.host], point(ring_map.salt, seen.host), seen.site, seen.role)
        for seen in adopting
        if members[seen.host] != HELD_OUT
    )
    return turns(policy, seats, [(seen.site, seen.role) for seen in inventory])


def why_not(seen: InventoryHost, release: ReleaseFacts) -> str | None:
    """Return why this host may never adopt the release, or None where it may."""
    if "*" not in release.hardware and seen.hardware not in release.hardware:
        return "hardware"
    if not release.os_builds[0] <= seen.os_build <= release.os_builds[1]:
        return "os-build"
    if seen.running is not None and seen.running >= release.release_counter:
        return "running"
    return None


def stratum_name(form: str, os_build: int, hardware: str) -> str:
    """Return `<form>-<os_build>-<hardware>` in lower case, any character but letters and digits as `-`."""
    text = f"{form}-{os_build}-{hardware}".lower()
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text)


def merged_strata(inventory: Iterable[InventoryHost]) -> frozenset[str]:
    """Return the names of the strata: those below 20 hosts lose the model, then the build, then are `other`."""
    kinds = Counter((seen.form, seen.os_build, seen.hardware) for seen in inventory)
    waiting = [(_names(*kind), hosts) for kind, hosts in kinds.items()]
    strata: set[str] = set()
    for level in range(3):
        sizes: Counter[str] = Counter()
        for names, hosts in waiting:
            sizes[names[level]] += hosts
        strata |= {name for name, hosts in sizes.items() if hosts >= SMALLEST_STRATUM}
        waiting = [(names, hosts) for names, hosts in waiting if names[level] not in strata]
    return frozenset(strata | ({OTHER} if waiting else set()))


def stratum_among(strata: Collection[str], form: str, os_build: int, hardware: str) -> str:
    """Return the stratum of a host, also of one that enrolled later: the most exact name there is, else `other`."""
    return next((name for name in _names(form, os_build, hardware) if name in strata), OTHER)


def _names(form: str, os_build: int, hardware: str) -> tuple[str, str, str]:
    """Return the host's possible strata from the most exact on."""
    full = stratum_name(form, os_build, hardware)
    build = stratum_name(form, os_build, "")[:-1]
    return full, build, build.removesuffix(f"-{os_build}")


def draw_map(policy: Policy, product: str, inventory: Sequence[InventoryHost], *, salt: str, n: int) -> RingMap:
    """Draw a ring map in which every ring has exactly its size of these hosts.

    Where two hosts share the point of a boundary the salt is extended (`-1`, `-2`, …) until none do.
    """
    tags = {tag: ring.name for ring in reversed(policy.rings) for tag in (ring.select.tags if ring.select else ())}
    order = {ring.name: i for i, ring in enumerate(policy.rings)}
    tagged: Counter[str] = Counter()
    untagged = []
    for seen in inventory:
        chosen = [tags[tag] for tag in seen.tags if tag in tags]
        if chosen:
            tagged[min(chosen, key=order.__getitem__)] += 1
        else:
            untagged.append(seen.host)
    present = _sizes(policy, len(inventory), len(untagged), tagged)
    names = {name for name, _ in present}
    if not names - {HELD_OUT}:
        raise ConflictError("No ring would have a host: enrol hosts before the rollout starts.", slug="no-hosts")
    for attempt in range(SALTS):
        tried = salt if attempt == 0 else f"{salt}-{attempt}"
        try:
            parts = boundaries(sorted(point(tried, host) for host in untagged), [count for _, count in present])
        except BoundaryError:
            continue
        rings = tuple((name, lo, hi) for (name, _), (lo, hi) in zip(present, parts, strict=True))
        return RingMap(product, n, tried, rings, {tag: ring for tag, ring in tags.items() if ring in names})
    raise ConflictError(f"no ring map could be drawn in {SALTS} attempts; start again", slug="ring-map")


def ring_sizes(policy: Policy, fleet: int) -> list[tuple[str, int]]:
    """Return the hosts of held-out and of every ring that has any, of a fleet where nobody is picked by a tag."""
    return _sizes(policy, fleet, fleet, Counter())


def _sizes(policy: Policy, fleet: int, free: int, tagged: Counter[str]) -> list[tuple[str, int]]:
    """Return the hosts that each ring takes by point, held-out first; rings without any host are left out."""
    held_out = min(free, held_out_count(policy.hold_out, fleet))
    sizes = [(HELD_OUT, held_out)]
    left = free - held_out
    for ring in policy.rings:
        wanted = left if ring.size.rest else max(0, size_of(ring.size, fleet) - tagged[ring.name])
        sizes.append((ring.name, min(left, wanted)))
        left -= sizes[-1][1]
    return [(name, count) for name, count in sizes if count or tagged[name]]


def held_out_count(share: float, fleet: int) -> int:
    """Return how many hosts stay control to the end: the share, at least 10 or a third of the fleet, or 0 for 0."""
    if share == 0:
        return 0
    return max(_round(share * fleet), min(LEAST_HELD_OUT, fleet // 3))


def size_of(size: Size, fleet: int) -> int:
    """Return how many hosts a ring asks for, as far as any are left; a share above 0 asks for at least one."""
    if size.hosts is not None:
        return size.hosts
    return fleet if size.share is None else max(1, _round(size.share * fleet))


def _round(hosts: float) -> int:
    """Round half up, and take 7.000000000000001 for 7."""
    return int(hosts + 0.5)


def _counts(
    policy: Policy, members: Mapping[str, str], turn: Mapping[str, str], eligible: Sequence[InventoryHost]
) -> tuple[RingCount, ...]:
    """Count each ring of the policy: its hosts, and those that adopt with it."""
    hosts = Counter(members.values())
    adopting = Counter(turn[seen.host] for seen in eligible)
    heard = Counter(turn[seen.host] for seen in eligible if seen.heard)
    return tuple(RingCount(ring.name, hosts[ring.name], adopting[ring.name], heard[ring.name]) for ring in policy.rings)


def _stranded(seen: InventoryHost, release: ReleaseFacts) -> bool:
    """Say whether a rollback could not put anything back: hosts refuse releases below their floor."""
    back = [counter for counter in (seen.running, release.rollback_to) if counter is not None]
    return seen.running is not None and max(back) < release.floor


def _unstored(product: str, hosts: tuple[str, ...]) -> ConflictError:
    """Name the hosts whose way back is unknown."""
    named = ", ".join(hosts[:NAMED]) + (" …" if len(hosts) > NAMED else "")
    detail = f"{len(hosts)} hosts run a {product} that is no stored release, so nothing could be put back: {named}."
    return ConflictError(f"{detail} Add that release, or start with skip_unstored.", slug="unstored-baseline")
