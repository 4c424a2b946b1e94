"""What a host does with verified metadata: INTERFACES section 2, lines 2 to 10, as functions over facts.

The shell (rollout/host) verifies signatures and calls `accept`, stores the marks, then calls `select`
and stores the marks again: marks count from metadata that passed lines 1 to 5, whatever its directives say.
One refused directive refuses them all. The server runs the same code before it signs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from rollout.directive.facts import DirectorView, HostFacts, ImageView
from rollout.directive.home import is_home
from rollout.directive.lease import accept, holds
from rollout.directive.marks import Marks, raised
from rollout.directive.order import Order, orders
from rollout.directive.refusal import RefusedError
from rollout.directive.rollback import is_way_back, taken
from rollout.ringmap import bucket


@dataclass(frozen=True, slots=True)
class Selected:
    """One directive as this host sees it; `reason` says why it is not selected, or is empty."""

    order: Order
    selected: bool
    reason: str

    @property
    def product(self) -> str:
        """Whose release it is."""
        return self.order.name.product

    def to_json(self) -> dict[str, object]:
        """The document of `host check`."""
        return {
            "product": self.product,
            "action": self.order.directive.action,
            "release_counter": self.order.name.release_counter,
            "selected": self.selected,
        }


@dataclass(frozen=True, slots=True)
class Checked:
    """Every line holds: the directives, and the marks to keep."""

    directives: tuple[Selected, ...]
    marks: Marks


def check(director: DirectorView, image: ImageView, host: HostFacts, ring: str, marks: Marks, now: datetime) -> Checked:
    """Lines 2 to 10 in one call, for a caller that keeps its marks in memory. RefusedError where one fails."""
    return select(director, image, host, ring, accept(director, image, host, ring, marks, now), now)


def select(
    director: DirectorView, image: ImageView, host: HostFacts, ring: str, marks: Marks, now: datetime
) -> Checked:
    """Lines 6 to 10 and the host's own choice; `marks` are those that `accept` gave."""
    found = orders(director.targets, image.targets, ring, now)
    at_home = {product: is_home(product, image, host, ring, marks) for product in {o.name.product for o in found}}
    for order in found:
        _not_backward(order, host, marks.ring.epochs)
    back = _ways_back(found, host, image, at_home, marks)
    epochs = raised(marks.ring.epochs, _epochs(found))
    chosen = tuple(_selected(order, host, at_home[order.name.product], back) for order in found)
    return Checked(chosen, replace(marks, ring=replace(marks.ring, epochs=epochs)))


def may_activate(chosen: Selected, director: DirectorView, host: HostFacts, now: datetime) -> None:
    """Ask again right before acting: the lease still holds, and the directive is this host's. RefusedError if not."""
    holds(director, now)
    if not chosen.order.release.fits(host.hardware, host.os_build):
        raise RefusedError("hardware", f"{chosen.order.target.path} is not for {host.hardware} build {host.os_build}")
    if not chosen.selected:
        raise RefusedError("metadata", f"{chosen.order.target.path} is not for this host: {chosen.reason}")


def _not_backward(order: Order, host: HostFacts, epochs: Mapping[str, int]) -> None:
    directive, product = order.directive, order.name.product
    installed = host.installed.get(product)
    if directive.action == "install" and installed is not None and directive.release_counter < installed:
        raise RefusedError("downgrade", f"install {product}/{directive.release_counter} below installed {installed}")
    if directive.epoch < epochs.get(directive.rollout, 0):
        seen = epochs[directive.rollout]
        raise RefusedError("epoch", f"{directive.rollout}: epoch went back from {seen} to {directive.epoch}")


def _epochs(found: tuple[Order, ...]) -> dict[str, int]:
    epochs: dict[str, int] = {}
    for order in found:
        epochs[order.directive.rollout] = max(order.directive.epoch, epochs.get(order.directive.rollout, 0))
    return epochs


def _ways_back(
    found: tuple[Order, ...], host: HostFacts, image: ImageView, at_home: Mapping[str, bool], marks: Marks
) -> tuple[Order, ...]:
    """The rollbacks this host takes, at most one for each product."""
    result = []
    for product in sorted({order.name.product for order in found}):
        installed = host.installed.get(product)
        ways = [
            order
            for order in found
            if order.name.product == product
            and at_home[product]
            and is_way_back(order, installed)
            and order.release.fits(host.hardware, host.os_build)
        ]
        if (way := taken(ways, product, host, image, marks.floors.get(product, 0))) is not None:
            result.append(way)
    return tuple(result)


def _selected(order: Order, host: HostFacts, at_home: bool, back: tuple[Order, ...]) -> Selected:
    reason = _reason(order, host, at_home, back)
    return Selected(order, not reason, reason)


def _reason(order: Order, host: HostFacts, at_home: bool, back: tuple[Order, ...]) -> str:
    directive = order.directive
    if not at_home:
        return "the ring map puts this host into another ring"
    if not order.release.fits(host.hardware, host.os_build):
        return "hardware or OS build does not fit"
    match directive.action:
        case "hold":
            return "held"
        case "rollback":
            return "" if order in back else "not this host's way back"
        case "install":
            exposed = bucket(directive.salt, host.host) < directive.exposure_bp
            return "" if exposed else "not exposed yet"
