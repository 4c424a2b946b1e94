"""The harness itself: what it deals, and what it sees of locks."""

import fcntl
import os

from tests.chaos.locks import holder, opened
from tests.chaos.plan import ROUTES, Plan, load
from tests.chaos.table import table


def kept(fault: str, where: str) -> dict:
    found = {"fault": fault, "where": where, "said": "", "lost": 1.0, "violations": []}
    return {"injected": [found], "ending": []}


def test_a_fault_that_met_a_place_in_earlier_rounds_waits_behind_those_that_did_not():
    faults = load(["kill_gateway", "kill_serve"])
    known = [kept("kill gateway", where) for where in ROUTES["halted"] for _ in range(3)]
    _, wishes = Plan(faults, 1, ["halted"], known).deal(0)
    assert {wish.fault.NAME for wish in wishes} == {"kill serve"}
    assert [wish.where for wish in wishes] == list(ROUTES["halted"])


def test_faults_strike_only_in_the_places_that_were_asked_for():
    _, wishes = Plan(load(["kill_gateway"]), 1, ["halted"], places=["halted"]).deal(0)
    assert {wish.where for wish in wishes} == {"halted"}


def test_a_table_counts_every_fault_where_it_struck_and_every_violation():
    rounds = [kept("kill serve", "baking"), kept("kill serve", "halted")]
    rounds[1]["ending"] = [["end-state", "a good rollout is halted"]]
    assert table(rounds).splitlines()[2:] == [
        "| kill serve | baking 1, halted 1 | 2 | 0 | 1.0 | 1.0 |",
        "| **in all** | 2 rollouts, and at their ends | 2 | 1 | 1.0 | 1.0 |",
    ]


def test_a_lock_is_seen_with_its_holder_and_with_who_has_its_file_open(tmp_path):
    file = tmp_path / ".lock"
    assert holder(file) is None
    file.touch()
    assert not opened(file, os.getpid())
    with file.open() as lock:
        assert (opened(file, os.getpid()), holder(file)) == (True, None)
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert holder(file) == os.getpid()
    assert (opened(file, os.getpid()), holder(file)) == (False, None)
