"""Publication: the facts of a ring's Director targets, to be signed elsewhere.

In: the directives a ring should carry, and the Image repository's targets. Out: the Director's targets, or a
refusal. Nothing is signed that a host would refuse: the same rules are asked here first, since one refused
directive refuses the whole check of every host of the ring, its way back included.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from rollout.directive.facts import Directive, Target
from rollout.directive.image import release_of
from rollout.directive.order import orders
from rollout.directive.refusal import RefusedError

WHOLE = 10_000  # basis points


def install(image: Target, rollout: str, exposure_bp: int, salt: str, epoch: int) -> Target:
    """The Director's target that offers a release to `exposure_bp` of the ring's hosts."""
    return _directed(image, Directive(rollout, "install", exposure_bp, salt, epoch, *_agreed(image)))


def hold(target: Target, epoch: int) -> Target:
    """The same directive, stopped: hosts that have not begun do not begin."""
    return replace(target, custom=replace(_install_or_hold(target), action="hold", epoch=epoch).to_custom())


def resume(target: Target, epoch: int) -> Target:
    """The same directive, going forward again."""
    return replace(target, custom=replace(_install_or_hold(target), action="install", epoch=epoch).to_custom())


def rollback(image: Target, rollout: str, salt: str, epoch: int, withdraws: int | None) -> Target:
    """The Director's target that directs hosts (only those that run `withdraws`, where given) back to a release."""
    return _directed(image, Directive(rollout, "rollback", WHOLE, salt, epoch, *_agreed(image), withdraws=withdraws))


def director_targets(
    directives: Iterable[Target], image: Mapping[str, Target], ring: str, now: datetime
) -> tuple[Target, ...]:
    """The targets of a ring's Director, in order of their paths, after the hosts' own rules held (lines 6 to 8).

    `image` are the Image repository's targets by path, as published. RefusedError for what hosts would refuse.
    """
    listed = sorted(directives, key=lambda target: target.path)
    if len({target.path for target in listed}) != len(listed):
        raise RefusedError("mismatch", f"two directives of {ring} for one package: one would hide the other")
    orders(listed, image, ring, now)
    return tuple(listed)


def _directed(image: Target, directive: Directive) -> Target:
    return Target(image.path, image.length, dict(image.hashes), directive.to_custom())


def _agreed(image: Target) -> tuple[int, tuple[str, ...], str]:
    """Counter, hardware and policy digest: what a directive must repeat of the Image target."""
    release = release_of(image)
    return release.release_counter, release.hardware, release.policy_digest


def _install_or_hold(target: Target) -> Directive:
    directive = Directive.from_custom(target.custom)
    if directive.action == "rollback":
        raise RefusedError("metadata", f"{target.path} is the way back; it is neither held nor resumed")
    return directive
