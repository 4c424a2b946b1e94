"""The chaos harness: what it must find in records, and one short round of it on a whole service."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.adapters.engine.pin import cache_home
from rollout.adapters.engine.resolve import find
from rollout.event import EventKind
from rollout.operation import stop
from rollout.operation.admit import Granted
from tests.chaos import checks, grants
from tests.chaos.broken import BUILDS, ROOT, substitute
from tests.chaos.ledger import Go, Ledger
from tests.chaos.outcome import Wish
from tests.chaos.round import Wanted, perform
from tests.chaos.witness import Look, went_back
from tests.scenarios.promise_world import R, World, world


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    """A rollout whose first batch was let in and is judged."""
    with world(tmp_path) as found:
        found.pass_time(2)
        assert sum(isinstance(answer, Granted) for answer in found.ask(range(1, 10))) == 5
        found.pass_time(1)
        yield found


def found_by(here: World, check) -> set[str]:
    return {seen.check for seen in here.read(lambda tx: list(check(tx, R)))}


def grant_one_more(here: World) -> None:
    """What admission would never write: a sixth adoption, beyond the window."""

    def work(tx) -> None:
        one = next(iter(tx.adoptions.of_rollout(R)))
        more = replace(one, id="x", host=30, granted_at=tx.at)
        order = tx.adoptions.grant(more)
        detail = {"ring": one.ring, "stratum": one.stratum, "order": order, "boot": "1"}
        tx.events.append(EventKind.GRANTED, 30, rollout=R, adoption="x", detail=detail)

    here.write(work)


def test_records_of_an_honest_service_show_nothing(here):
    assert found_by(here, grants.check) == set()
    assert found_by(here, checks.evidence) == set()


def test_a_grant_beyond_the_window_is_found_before_and_after_it_is_judged(here):
    grant_one_more(here)
    assert "window" in found_by(here, grants.check)
    here.pass_time(2)
    assert "window" in found_by(here, grants.check)


def test_a_grant_after_a_stop_is_found(here):
    here.write(lambda tx: stop.halt(tx, R, "ann", None))
    here.clock.move(0.1)
    grant_one_more(here)
    assert "go-after-stop" in found_by(here, grants.check)


def test_a_grant_that_nobody_judged_for_long_is_found(here):
    here.clock.move(60)
    grant_one_more(here)
    assert "stale-judgement" in found_by(here, grants.check)


def test_a_grant_after_a_failure_that_is_not_judged_yet_is_found(here):
    here.crash(2)
    grant_one_more(here)
    here.pass_time(2)
    assert "unjudged-failure" in found_by(here, grants.check)


def test_evidence_that_was_changed_is_found(here):
    here.write(
        lambda tx: tx.connection.exec_driver_sql(
            "UPDATE evidence SET row = replace(row, '\"granted\"', '\"confirmed\"') WHERE row LIKE '%granted%'"
        )
    )
    assert found_by(here, checks.evidence) == {"evidence"}


def test_what_was_acknowledged_and_is_not_kept_is_found(here):
    ledger = Ledger(beats={"h-1": {"seq": 9_999, "running": {}}}, crashes={"h-2": {"x"}}, enrolled={"h-99": "key"})
    assert found_by(here, lambda tx, _: checks.acknowledged(tx, ledger)) == {"acknowledged-lost"}
    ledger = Ledger(goes=[Go("h-1", 2, "nobody-knows", 0.0), Go("h-1", 2, "nor-this", 10.0)])
    seen = found_by(here, lambda tx, rollout: checks.adoptions(tx, rollout, ledger, stopped_at=5.0))
    assert seen == {"adoption-lost", "adoption-doubled", "go-after-stop"}


def test_a_witness_sees_what_goes_back():
    before = Look(0.0, "rolling-back", False, (), {"evidence": 9}, {}, {"image": 3}, {"d": "rollback"}, {"image": 3})
    after = replace(before, state="running", judged={"evidence": 8}, copied={"image": 2}, says={"d": "install"})
    assert [seen.check for seen in went_back(before, after)] == [
        "stop-undone", "judgement-went-back", "metadata-went-back", "install-again",
    ]  # fmt: skip
    assert went_back(before, replace(before, state="rolled-back", judged={"evidence": 10})) == []


@pytest.mark.parametrize("name", sorted(file.stem for file in BUILDS.glob("*.toml")))
def test_a_broken_build_still_applies(name, tmp_path):
    import tomllib

    build = tomllib.loads((BUILDS / f"{name}.toml").read_text())
    copy = tmp_path / "copy.py"
    copy.write_text((ROOT / build["file"]).read_text())
    substitute(copy, build["old"], build["new"])
    compile(copy.read_text(), build["file"], "exec")
    with pytest.raises(SystemExit, match="mend its text"):
        substitute(copy, build["old"], build["new"])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_round_under_faults_keeps_every_promise(tmp_path):
    """Everything killed while hosts are let in; on the way back a worker that is stopped past its ownership."""
    if find({**os.environ, "TEMPORAL_ADDRESS": ""}, cache_home()) is None:
        pytest.skip("no engine is installed: `rollout engine install`")
    from tests.chaos.faults import kill_everything, two_workers

    wishes = [Wish(kill_everything, "admitting"), Wish(two_workers, "rolling-back")]
    said: list[str] = []
    outcome = perform(tmp_path, 7, "crashing", wishes, Wanted(hosts=60), said.append)
    assert outcome.violations == [], said
    assert outcome.states[-1] == "rolled-back"
    assert [each.fault for each in outcome.injected][:1] == [kill_everything.NAME], said
