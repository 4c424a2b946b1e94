"""The Directives port over real metadata: shared views, and for each host its own check with its own marks.

A ring whose last poll failed has no metadata: its hosts refuse, whatever was good a second ago.
"""

from dataclasses import replace
from datetime import UTC, datetime

from rollout.adapters.clock import SystemClock
from rollout.directive.check import Selected, check, may_activate
from rollout.directive.facts import DirectorView, HostFacts, ImageView
from rollout.directive.marks import Marks, RingMarks
from rollout.directive.refusal import RefusedError
from rollout.ringmap import HELD_OUT, RingMap, RingMapError
from rollout.simulation.swarm.client import Client
from rollout.simulation.swarm.directives import Directed
from rollout.simulation.swarm.fleet import Member
from rollout.simulation.swarm.shared_views import SharedViews


class Metadata:
    """One product's directives for a whole fleet."""

    def __init__(self, client: Client, gateway: str, product: str, image_root: bytes | None = None) -> None:
        self._views = SharedViews(client, gateway, image_root)
        self._product = product
        self._clock = SystemClock()
        self._image: ImageView | RefusedError = RefusedError("fetch", "nothing was fetched yet")
        self._directors: dict[str, DirectorView | RefusedError] = {}
        self._seen: dict[str, object] = {}
        self._map: RingMap | None = None
        self._homes: dict[str, str | None] = {}
        self._marks: dict[str, Marks] = {}
        self._ring_marks: dict[str, dict[str, RingMarks]] = {}

    async def poll(self) -> frozenset[str]:
        """Fetch the Image, then the Director of each ring of the newest map."""
        try:
            self._image = image = await self._views.image(self._now)
        except RefusedError as refused:
            self._image = refused
            self._seen.clear()  # every host looks again once it is back
            return frozenset()
        self._read_map(image)
        rings = () if self._map is None else tuple(name for name, _, _ in self._map.rings if name != HELD_OUT)
        return frozenset([ring for ring in rings if await self._poll_ring(ring, image)])

    def ring_of(self, member: Member) -> str | None:
        """The ring of the newest map for this host; None where there is no map, or it names no ring."""
        name = member.host.name
        if self._map is not None and name not in self._homes:
            self._homes[name] = self._map.ring_of(name, member.attributes["tags"])
        return self._homes.get(name)

    def directed(self, member: Member) -> Directed | None:
        """One check as of now, marks kept; None where nothing is this host's to take."""
        ring = self.ring_of(member)
        if ring is None or ring == HELD_OUT:
            return None
        image, director = self._image, self._directors.get(ring)
        for view in (image, director):
            if isinstance(view, RefusedError):
                raise view
        if not isinstance(image, ImageView) or not isinstance(director, DirectorView):
            return None
        facts, now = _facts(member), self._now()
        checked = check(director, image, facts, ring, self._known(member.host.name, ring), now)
        self._keep(member.host.name, ring, checked.marks)
        mine = [chosen for chosen in checked.directives if chosen.selected and chosen.product == self._product]
        for chosen in mine:
            may_activate(chosen, director, facts, now)
        return _directed(mine[0], director) if mine else None

    async def _poll_ring(self, ring: str, image: ImageView) -> bool:
        """Whether this ring's hosts should look again: other targets than last time, in either repository."""
        try:
            view = await self._views.director(ring, image, self._now)
        except RefusedError as refused:
            self._directors[ring] = refused
            self._seen.pop(ring, None)
            return False
        self._directors[ring] = view
        before, now = self._seen.get(ring), (view.roles["targets"], image.roles["targets"])
        self._seen[ring] = now
        return before != now

    def _read_map(self, image: ImageView) -> None:
        """Take the newest map; one that cannot be read, or an older one, leaves the map in force (ringmap)."""
        newest = image.maps.get(self._product)
        if newest is None or (self._map is not None and newest[0] <= self._map.n):
            return
        try:
            self._map = RingMap.from_custom(newest[1].custom)
        except RingMapError:
            return
        self._homes.clear()

    def _known(self, name: str, ring: str) -> Marks:
        own = self._ring_marks.get(name, {}).get(ring, RingMarks())
        return replace(self._marks.get(name, Marks()), ring=own)

    def _keep(self, name: str, ring: str, marks: Marks) -> None:
        self._marks[name] = marks
        self._ring_marks.setdefault(name, {})[ring] = marks.ring

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)


def _facts(member: Member) -> HostFacts:
    host = member.host
    return HostFacts(
        host=host.name,
        hardware=member.attributes["hardware"],
        os_build=member.attributes["os_build"],
        installed={host.product: host.running},
        tags=frozenset(member.attributes["tags"]),
        baselines={} if host.baseline is None else {host.product: host.baseline},
    )


def _directed(chosen: Selected, director: DirectorView) -> Directed | None:
    order = chosen.order
    action = order.directive.action
    if action == "hold":
        return None
    return Directed(
        action=action,
        release_counter=order.name.release_counter,
        path=order.target.path,
        length=order.target.length,
        sha256=order.name.sha256,
        director_version=director.roles["targets"].version,
        lease_until=director.lease_until.timestamp(),
    )
