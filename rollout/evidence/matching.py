"""Who is compared with a host that fails: those at risk in its stratum that booted about when it did.

Adopting restarts hosts: for a while the youngest bands of time since boot hold nearly all of an arm and few of control.
A band is no match where it has fewer control than exposed hosts *and* its control is less than half of what the stratum
offers for each exposed host: without the second, bands of a stratum that is half exposed would be refused by chance,
and all of one that is nearly all exposed.

While a stratum has exposed hosts in such bands, the judge also compares these with all of its control, at a null ratio
of 10, and there every control failure counts, of whatever band: a comparison to which only exposed hosts can add halts
every harmless release in a fleet that seldom restarts (docs/adr/0017). To promote, a band without a match proves what
both arms share (docs/adr/0015).
"""

from collections.abc import Sequence
from typing import NamedTuple

from rollout.evidence.band import BANDS


class AtRisk(NamedTuple):
    """Hosts at risk of one guard beside one that fails, itself included.

    Those of its `band`; while some band of its stratum is no match, the exposed hosts of all such bands and the control
    hosts of the whole stratum; and where its own band is none, the confirmed hosts of the whole stratum.
    """

    exposed: int
    control: int
    confirmed: int
    band: str | None = None
    exposed_unmatched: int | None = None
    control_in_stratum: int | None = None
    confirmed_in_stratum: int | None = None


def beside(band: int, exposed: Sequence[int], control: Sequence[int], confirmed: Sequence[int]) -> AtRisk:
    """Return who is at risk beside a host of this band; the counts are of its stratum, by band."""
    all_exposed, all_control = sum(exposed), sum(control)
    unmatched = [
        each
        for each, (ours, theirs) in enumerate(zip(exposed, control, strict=True))
        if not is_match(ours, theirs, all_exposed, all_control)
    ]
    if not unmatched:
        return AtRisk(exposed[band], control[band], confirmed[band], BANDS[band])
    return AtRisk(
        exposed[band],
        control[band],
        confirmed[band],
        BANDS[band],
        exposed_unmatched=sum([exposed[each] for each in unmatched]),
        control_in_stratum=all_control,
        confirmed_in_stratum=sum(confirmed) if band in unmatched else None,
    )


def is_match(exposed: int, control: int, exposed_in_stratum: int, control_in_stratum: int) -> bool:
    """Say whether a band's own control hosts are those to compare with."""
    return control >= exposed or 2 * control * exposed_in_stratum >= control_in_stratum * exposed
