"""Lines 2 to 5: is this Director's word still good, and is it meant for this ring?"""

import re
from datetime import UTC, datetime, timedelta

from rollout.directive.facts import DirectorView, HostFacts, ImageView
from rollout.directive.marks import Marks, RingMarks, raised, raised_roles
from rollout.directive.refusal import RefusedError
from rollout.directive.rollback import floors

CLOCK_TOLERANCE = timedelta(minutes=2)
LONGEST_LEASE = timedelta(minutes=30)

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def accept(director: DirectorView, image: ImageView, host: HostFacts, ring: str, marks: Marks, now: datetime) -> Marks:
    """The marks raised to what this metadata says, if lines 2 to 5 hold and no version went back.

    RefusedError otherwise; the marks then stay as they were.
    """
    holds(director, now)
    issued = issue_time(director.issued)
    if issued > now + CLOCK_TOLERANCE:
        raise RefusedError("clock", f"issued at {issued}, ahead of this host's clock {now}")
    if marks.ring.issued is not None and now < marks.ring.issued - CLOCK_TOLERANCE:
        raise RefusedError("clock", f"this host's clock {now} is behind metadata it saw issued at {marks.ring.issued}")
    if director.timestamp_expires - issued > LONGEST_LEASE:
        raise RefusedError("lease-too-long", f"leased from {issued} until {director.timestamp_expires}")
    if director.ring != ring or director.targets_ring != ring:
        seen = f"{director.ring!a:.80} and {director.targets_ring!a:.80}"
        raise RefusedError("wrong-ring", f"timestamp and targets are for {seen}, this is {ring}")
    if director.delegates:
        raise RefusedError("delegation", "the Director delegates to others")
    return Marks(
        ring=RingMarks(
            issued=issued if marks.ring.issued is None else max(issued, marks.ring.issued),
            roles=raised_roles(marks.ring.roles, director.roles, f"director {ring}"),
            epochs=marks.ring.epochs,
        ),
        image=raised_roles(marks.image, image.roles, "image"),
        floors=raised(marks.floors, floors(image, host)),
        maps=raised(marks.maps, {product: n for product, (n, _) in image.maps.items()}),
    )


def holds(director: DirectorView, now: datetime) -> None:
    """Line 2; checked again right before an answer and right before an activation."""
    if now >= director.lease_until:
        raise RefusedError("lease-over", f"the lease ended at {director.lease_until}, it is {now}")


def issue_time(value: object) -> datetime:
    """`x-issued` as a moment in UTC; RefusedError `clock` where it is absent or no RFC 3339 time."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise RefusedError("clock", f"x-issued is not an RFC 3339 time: {value!a:.80}")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RefusedError("clock", f"x-issued is not an RFC 3339 time: {value!a:.80}") from error
