"""When a band of time since boot is no match for its exposed hosts.

Adopting restarts hosts: for a while an arm's youngest band holds nearly all of it and few of control. Compared there
alone, such a failure would say nothing; to halt the judge then takes the stratum's whole control and a null ratio of
10 (JUDGE section 2), to promote what both arms share there (docs/adr/0015). A band is no match where it has fewer
control than exposed hosts *and* its control is less than half of what the stratum as a whole offers for each exposed
host: without the second, bands of a stratum that is half exposed would be refused by chance, and all of one that is
nearly all exposed.
"""


def is_match(exposed: int, control: int, exposed_in_stratum: int, control_in_stratum: int) -> bool:
    """Say whether a band's own control hosts are those to compare with."""
    return control >= exposed or 2 * control * exposed_in_stratum >= control_in_stratum * exposed
