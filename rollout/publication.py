"""Publication: the facts of a ring's Director targets, to be signed elsewhere.

In: the directives a ring should carry, and the Image repository's targets. Out: the Director's targets, or a
refusal. Nothing is signed that a host would refuse: the same rules are asked here first, since one refused
directive refuses the whole check of every host of the ring, its way back included.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from rollout.directive.facts import Directive, Target
from rollout.directive.image import release_of, warranted_release
from rollout.directive.lease import CLOCK_TOLERANCE
from rollout.directive.order import orders
from rollout.directive.refusal import RefusedError

WHOLE = 10_000  # basis points


@dataclass(frozen=True, slots=True)
class WayBack:
    """Hosts that run `withdraws` (None: anything above `to`) are directed back to the release `to`."""

    rollout: str
    salt: str
    to: int
    withdraws: int | None


def forward(image: Target, rollout: str, salt: str, ring: str, now: datetime, *, going: bool) -> Target:
    """The directive of a rollout that began in a ring: `install` while it is going and warranted, else `hold`.

    Exposed is what the warrant allows now and also when a host's clock is ahead: a directive one host
    refuses would refuse that host its way back too. The epoch is left 0 (`numbered` sets it).
    """
    try:
        release = warranted_release(image)
        ceiling = min(release.ceiling(ring, now), release.ceiling(ring, now + CLOCK_TOLERANCE))
    except RefusedError:
        ceiling = 0
    offered = install(image, rollout, ceiling, salt, 0)
    return offered if going and ceiling else hold(offered, 0)


def one_a_path(ways: Sequence[WayBack], others: Collection[int]) -> tuple[WayBack, ...]:
    """At most one way back to each release, newest first in `ways`: two would be one target of one path.

    Two withdrawn releases with one baseline become one directive for all that run anything above it; but
    where `others` (counters that are not withdrawn) are above it too, the newest alone: a good release
    must not be taken back.
    """
    found: dict[int, WayBack] = {}
    for way in ways:
        first = found.setdefault(way.to, way)
        if first.withdraws != way.withdraws and not any(other > way.to for other in others):
            found[way.to] = replace(first, withdraws=None)
    return tuple(found.values())


def wanted(
    forwards: Iterable[Target], backs: Iterable[Target], image: Mapping[str, Target], ring: str, now: datetime
) -> tuple[tuple[Target, ...], tuple[RefusedError, ...]]:
    """What a Director should carry, and why some of it cannot be: the way back goes before the way forward."""
    chosen: dict[str, Target] = {}
    refused: list[RefusedError] = []
    for target in (*backs, *forwards):
        if target.path in chosen:
            detail = f"{target.path} of {ring} is a way back; meanwhile nobody is sent forward to it"
            refused.append(RefusedError("mismatch", detail))
            continue
        try:
            orders((*chosen.values(), target), image, ring, now)
        except RefusedError as error:
            refused.append(error)
        else:
            chosen[target.path] = target
    return director_targets(chosen.values(), image, ring, now), tuple(refused)


def numbered(targets: Iterable[Target], standing: Mapping[str, Mapping[str, Any]], epoch: int) -> tuple[Target, ...]:
    """The targets with their epochs: a rollout whose directives changed gets `epoch`, another keeps its own.

    All directives of one rollout carry one epoch, since hosts remember the highest of each rollout.
    """
    listed = tuple(targets)
    before = _by_rollout({path: dict(custom) for path, custom in standing.items()})
    now = _by_rollout({target.path: Directive.from_custom(target.custom).to_custom() for target in listed})
    kept = {
        rollout: before[rollout][0] for rollout in now if rollout in before and before[rollout][1] == now[rollout][1]
    }
    return tuple(_with_epoch(target, kept, epoch) for target in listed)


def _by_rollout(customs: Mapping[str, dict[str, Any]]) -> dict[str, tuple[int, dict[str, Any]]]:
    """By rollout: its highest epoch, and its directives by path without it."""
    found: dict[str, tuple[int, dict[str, Any]]] = {}
    for path, custom in customs.items():
        epoch, listed = found.get(custom["rollout"], (0, {}))
        found[custom["rollout"]] = (max(epoch, custom["epoch"]), {**listed, path: {**custom, "epoch": 0}})
    return found


def _with_epoch(target: Target, kept: Mapping[str, int], epoch: int) -> Target:
    directive = Directive.from_custom(target.custom)
    return replace(target, custom=replace(directive, epoch=kept.get(directive.rollout, epoch)).to_custom())


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
