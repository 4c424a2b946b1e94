"""Verified metadata as the plain facts that `rollout.directive` judges."""

from rollout.adapters.trust.metadata import targets_of
from rollout.directive.facts import DirectorView, ImageView, Role
from rollout.directive.refusal import RefusedError
from rollout.host.client import Verified
from rollout.host.roots import fingerprint


def director_view(verified: Verified) -> DirectorView:
    """A ring's Director as facts."""
    timestamp, snapshot, targets = verified.timestamp, verified.snapshot, verified.targets
    return DirectorView(
        ring=timestamp.unrecognized_fields.get("x-ring"),
        targets_ring=targets.unrecognized_fields.get("x-ring"),
        issued=timestamp.unrecognized_fields.get("x-issued"),
        timestamp_expires=timestamp.expires,
        lease_until=min(timestamp.expires, snapshot.expires, targets.expires),
        delegates=targets.delegations is not None,
        roles=_roles(verified),
        targets=tuple(targets_of(targets).values()),
    )


def image_view(verified: Verified) -> ImageView:
    """The Image repository as facts."""
    return ImageView(_roles(verified), targets_of(verified.targets))


def _roles(verified: Verified) -> dict[str, Role]:
    roles = {}
    for part in verified.parts:
        # Canonical JSON knows integers and booleans only, and True passes for version 1.
        if type(part.version) is not int:
            raise RefusedError("metadata", f"the version of {part.type} is {part.version!a}")
        roles[part.type] = Role(part.version, fingerprint(verified.root, part.type))
    return roles
