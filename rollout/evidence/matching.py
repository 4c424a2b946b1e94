"""Who is compared with a host that fails: those at risk in its stratum that booted about when it did.

Adopting restarts hosts: for a while the youngest bands of time since boot hold nearly all of an arm and few of control.
A band is no match where it has fewer control than exposed hosts *and* its control is less than half of what the stratum
offers for each exposed host: without the second, bands of a stratum that is half exposed would be refused by chance,
and all of one that is nearly all exposed.

To halt, bands are then merged, the youngest first, until together they are a match, and judged at a null ratio of 10.
Every host at risk is in exactly one group, so that a failure of either arm counts where the other's would: in a fleet
that seldom restarts a comparison to which only exposed hosts can add halts every harmless release (docs/adr/0017).
To promote, a band without a match proves what both arms share (docs/adr/0015).
"""

from collections.abc import Sequence
from typing import NamedTuple

from rollout.evidence.band import BANDS


class AtRisk(NamedTuple):
    """Hosts at risk of one guard beside one that fails, itself included.

    Those of its `band`; of the bands that are merged with it to halt, itself included (None: it is by itself); and of
    the whole stratum where the band is no match (None: it is one).
    """

    exposed: int
    control: int
    confirmed: int
    band: str | None = None
    exposed_in_bands: int | None = None
    control_in_bands: int | None = None
    control_in_stratum: int | None = None
    confirmed_in_stratum: int | None = None


def beside(band: int, exposed: Sequence[int], control: Sequence[int], confirmed: Sequence[int]) -> AtRisk:
    """Return who is at risk beside a host of this band; the counts are of its stratum, by band."""
    found = AtRisk(exposed[band], control[band], confirmed[band], BANDS[band])
    first, end = merged(exposed, control)[band]
    if end - first > 1:
        found = found._replace(exposed_in_bands=sum(exposed[first:end]), control_in_bands=sum(control[first:end]))
    all_exposed, all_control = sum(exposed), sum(control)
    if is_match(found.exposed, found.control, all_exposed, all_control):
        return found
    return found._replace(control_in_stratum=all_control, confirmed_in_stratum=sum(confirmed))


def is_match(exposed: int, control: int, exposed_in_stratum: int, control_in_stratum: int) -> bool:
    """Say whether a band's own control hosts are those to compare with."""
    return control >= exposed or 2 * control * exposed_in_stratum >= control_in_stratum * exposed


def merged(exposed: Sequence[int], control: Sequence[int]) -> list[tuple[int, int]]:
    """Return for each band the first and the end of the bands that it is compared in.

    The youngest bands are merged until they are a match, and so on; what is left of the oldest joins those before.
    """
    whole = sum(exposed), sum(control)
    begins = [0]
    for end in range(1, len(exposed)):
        if is_match(sum(exposed[begins[-1] : end]), sum(control[begins[-1] : end]), *whole):
            begins.append(end)
    while begins[-1] and not is_match(sum(exposed[begins[-1] :]), sum(control[begins[-1] :]), *whole):
        begins.pop()
    ends = [*begins[1:], len(exposed)]
    return [group for group in zip(begins, ends, strict=True) for _ in range(*group)]
