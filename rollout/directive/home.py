"""Which ring a host belongs to, by the offline-signed map: no server moves a host into the canary."""

from rollout.directive.facts import HostFacts, ImageView
from rollout.directive.marks import Marks
from rollout.directive.refusal import RefusedError
from rollout.ringmap import RingMap


def newest_map(image: ImageView, product: str) -> RingMap | None:
    """The product's ring map with the highest n, None without any; RefusedError `wrong-ring` for a damaged one."""
    newest = image.maps.get(product)
    if newest is None:
        return None
    n, target = newest
    try:
        ring_map = RingMap.from_custom(target.custom)
    except ValueError as error:
        raise RefusedError("wrong-ring", f"{target.path}: {error}") from error
    if (ring_map.product, ring_map.n) != (product, n) or not ring_map.salt.isprintable():
        raise RefusedError("wrong-ring", f"{target.path} does not hold its own map")
    return ring_map


def is_home(product: str, image: ImageView, host: HostFacts, ring: str, marks: Marks) -> bool:
    """Does the product's map put this host into `ring`? Yes where the product never had one.

    RefusedError `wrong-ring` where the map this host has seen is gone, or an older one stands in its place.
    """
    ring_map, seen = newest_map(image, product), marks.maps.get(product)
    if ring_map is None:
        if seen is not None:
            raise RefusedError("wrong-ring", f"{product} had ring map {seen} and has none now")
        return True
    if seen is not None and ring_map.n < seen:
        raise RefusedError("wrong-ring", f"{product}'s ring map went back from {seen} to {ring_map.n}")
    return ring_map.ring_of(host.host, host.tags) == ring
