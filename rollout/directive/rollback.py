"""Which rollback directive a host takes: at most one per product, and never below its floor.

The choice: the counter the host recorded with its intent, else what the release it leaves names in
`rollback_to`, else the highest. Directives below the floor are no choice at all.
"""

from collections.abc import Sequence

from rollout.directive.facts import HostFacts, ImageView
from rollout.directive.image import known_release
from rollout.directive.order import Order
from rollout.directive.refusal import RefusedError
from rollout.release.target import TargetFacts


def is_way_back(order: Order, installed: int | None) -> bool:
    """Is this rollback for a host that runs `installed`?"""
    if order.directive.action != "rollback" or installed is None:
        return False
    withdraws = order.directive.withdraws
    return installed > order.name.release_counter and withdraws in (None, installed)


def taken(ways: Sequence[Order], product: str, host: HostFacts, image: ImageView, mark: int) -> Order | None:
    """The one that a host takes of `ways`, the rollbacks of `product` that are its to take; None without any.

    `mark` is the highest floor of what it ever ran. RefusedError `floor` where the floor of the installed
    release cannot be read, or no directive is left at or above the floor.
    """
    if not ways:
        return None
    leaving = running(image, product, host.installed[product])
    if leaving is None:
        raise RefusedError("floor", f"{product}: the floor of installed release {host.installed[product]} is unknown")
    floor = max(mark, leaving.floor)
    above = {order.name.release_counter: order for order in ways if order.name.release_counter >= floor}
    if not above:
        raise RefusedError("floor", f"{product}: no rollback directive at or above floor {floor}")
    for counter in (host.baselines.get(product), leaving.rollback_to):
        if counter is not None and counter in above:
            return above[counter]
    return above[max(above)]


def running(image: ImageView, product: str, counter: int) -> TargetFacts | None:
    """The Image's word on an installed release; None where it says nothing, nothing readable, or two things."""
    targets = image.releases.get((product, counter), ())
    return known_release(targets[0]) if len(targets) == 1 else None


def floors(image: ImageView, host: HostFacts) -> dict[str, int]:
    """The floors of what this host runs now, where the Image repository says them."""
    found = {product: running(image, product, counter) for product, counter in host.installed.items()}
    return {product: release.floor for product, release in found.items() if release is not None}
