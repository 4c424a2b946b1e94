"""The way back on a real engine."""

import pytest

from tests.service.workflow_world import OLD, until, world

pytestmark = pytest.mark.slow


@pytest.fixture
def here(tmp_path):
    with world(tmp_path) as found:
        yield found


def test_five_deaths_are_taken_back_by_nobody_and_the_dark_host_is_not_waited_for(here):
    fates = iter(["crash", "crash", "dark", "crash", "crash"])
    here.fleet.fate = lambda _: next(fates, "well")
    here.worker()
    rollout = here.start()
    here.until_state(rollout, "rolled-back")
    assert "judge.trip" in here.audit(rollout)
    assert not [kind for kind in here.audit(rollout) if kind.startswith("act.")]

    adoptions = here.adoptions(rollout)
    assert len(adoptions) == 5, "the first batch and no more"
    left = [adoption.host for adoption in adoptions if not adoption.rolled_back]
    dark = [host for host in here.fleet.hosts if host.silent]
    assert left == [host.key for host in dark]
    assert all(host.running == OLD for host in here.fleet.hosts if not host.silent)
    (over,) = [row for row in here.read(lambda tx: tx.people.audit(rollout)) if row.kind == "rollout.rolled-back"]
    assert over.detail == {"back": 4, "dark": 1, "asleep": 0, "without_baseline": 0}
    until(lambda: here.workflow(f"rollback-{rollout}") == "COMPLETED", 10, "the workflow's end")
