"""When a band of time since boot is no match for its exposed hosts.

Adopting restarts hosts: for a while an arm's youngest band holds nearly all of it and few of control. Compared there
alone, such a failure would say next to nothing; the judge then takes the stratum's whole control and a null ratio of 10
(JUDGE section 2), which sees only the worst of faults and proves no safety. So a band is no match only where it has
fewer control than exposed hosts, fewer than ENOUGH of them, and less than half as many for each exposed host as the
stratum: without the second a good driver waits for hours in every large ring, without the third bands of a stratum that
is half exposed would be refused by chance, and all of one that is nearly all exposed.
"""

from typing import Final

ENOUGH: Final = 20
"""Control hosts with whom a comparison stands by itself: the size of the smallest stratum."""


def is_match(exposed: int, control: int, exposed_in_stratum: int, control_in_stratum: int) -> bool:
    """Say whether a band's own control hosts are those to compare with."""
    alike = 2 * control * exposed_in_stratum >= control_in_stratum * exposed
    return control >= exposed or control >= ENOUGH or alike
