"""Lines 6 to 8: does the Image repository, which no online key can sign, say the same?

They hold for every host alike, so the server asks the same questions before it signs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rollout.directive.facts import Directive, Target, TargetName, name
from rollout.directive.image import release_of, warranted_release
from rollout.directive.refusal import RefusedError
from rollout.release.target import TargetFacts

LARGEST_PACKAGE = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Order:
    """A directive together with the offline-signed release it points to: lines 6 to 8 hold."""

    target: Target
    name: TargetName
    directive: Directive
    release: TargetFacts


def orders(targets: Iterable[Target], image: Mapping[str, Target], ring: str, now: datetime) -> tuple[Order, ...]:
    """The orders of a ring's Director; RefusedError at the first that does not hold."""
    found = tuple(_order(target, image, ring, now) for target in targets)
    forward = [order.name.product for order in found if order.directive.action != "rollback"]
    if len(forward) != len(set(forward)):
        raise RefusedError("mismatch", f"more than one install or hold directive for a product: {sorted(forward)}")
    return found


def _order(target: Target, image: Mapping[str, Target], ring: str, now: datetime) -> Order:
    parts = name(target.path)
    directive = Directive.from_custom(target.custom)
    signed = image.get(target.path)
    if signed is None:
        raise RefusedError("mismatch", f"{target.path} is no target of the Image repository")
    _same_file(target, parts, signed)
    installs = directive.action == "install"
    release = warranted_release(signed) if installs else release_of(signed)
    _same_release(parts, directive, release, target.path)
    if installs:
        _warranted(directive, release, ring, now)
    return Order(target, parts, directive, release)


def _same_file(target: Target, parts: TargetName, image: Target) -> None:
    if dict(target.hashes) != {"sha256": parts.sha256} or dict(image.hashes) != dict(target.hashes):
        raise RefusedError("mismatch", f"{target.path}: the hashes are not its sha256 alone, in both repositories")
    # A bool would pass for the lengths 0 and 1.
    if type(target.length) is not int or type(image.length) is not int or target.length != image.length:
        raise RefusedError("mismatch", f"{target.path}: length {target.length!a:.40}, Image says {image.length!a:.40}")
    if target.length > LARGEST_PACKAGE:
        raise RefusedError("mismatch", f"{target.path}: {target.length} bytes, more than {LARGEST_PACKAGE}")


def _same_release(parts: TargetName, directive: Directive, release: TargetFacts, path: str) -> None:
    if (parts.product, parts.release_counter) != (release.product, release.release_counter):
        raise RefusedError("mismatch", f"{path}: Image says {release.product}/{release.release_counter}")
    if directive.release_counter != release.release_counter:
        raise RefusedError("mismatch", f"{path}: the directive says counter {directive.release_counter}")
    if directive.hardware != tuple(release.hardware):
        raise RefusedError("mismatch", f"{path}: Director and Image name different hardware")
    if directive.policy_digest != release.policy_digest:
        raise RefusedError("mismatch", f"{path}: Director and Image name different policies")


def _warranted(directive: Directive, release: TargetFacts, ring: str, now: datetime) -> None:
    if now >= release.warrant_expires:
        raise RefusedError("warrant", f"the warrant ended at {release.warrant_expires}")
    ceiling = release.ceiling(ring, now)
    if directive.exposure_bp > ceiling:
        raise RefusedError("warrant", f"exposure {directive.exposure_bp} bp, the warrant allows {ring} {ceiling} bp")
