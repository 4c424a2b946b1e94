"""Whatever people do, in any order: stopping is for good, and going forward takes enough others."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.digest import digest
from policies.load import load
from rollout.adapters.clock import SystemClock
from rollout.adapters.store.migrate import migrate, open_store
from rollout.decision import RingStep, Step
from rollout.errors import ConflictError
from rollout.operation import act, stop
from rollout.operation.transition import take, take_ring
from rollout.ports.judging import StoredJudgement
from rollout.ports.person import TokenRecord
from rollout.ports.rollout import RingRecord, RolloutRecord

RINGS = [
    {"name": "canary", "size": {"hosts": 100}, "approval": {"role": "approver", "persons": 2, "timeout": "1h"}},
    {"name": "everyone", "size": {"rest": True}},
]
POLICY = load({"kind": "content", "name": "asking", "rings": RINGS})
PEOPLE = ("ann", "bea", "rita")  # rita starts
STOPS = {"halt": stop.halt, "reject": stop.reject, "rollback": stop.roll_back, "pause": stop.pause}
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"
    migrate(url)
    opened = open_store(url, SystemClock())
    for person in PEOPLE:
        token = TokenRecord(person, person, "approver", person.encode(), None, 1.0, "admin", 4e9)
        opened.write(lambda tx, token=token: tx.people.add_token(token)).result(5)
    yield opened
    opened.close()


def begin(tx):
    """A rollout whose canary waits for two approvers."""
    number = next(numbers)
    identity = f"r{number}"
    told = ("running", 1.0, False, "rita", "new", 1.0, 1, "s", ("other",), 0, 0, 0, None, None, False)
    record = RolloutRecord(identity, number, f"p{number}", 8, POLICY, digest(POLICY), *told)
    rings = [RingRecord(identity, i, ring.name, "waiting", 1.0, 50, 0, None) for i, ring in enumerate(POLICY.rings)]
    tx.rollouts.create(record, rings)
    for step in (RingStep.OPEN, RingStep.BAKE):
        assert take_ring(tx, identity, "canary", step)
    assert take(tx, identity, Step.ASK, ring="canary")
    told = {"sentence": "All is well.", "ring": "canary"}
    tx.judging.save(StoredJudgement(identity, 1, 1.0, 0, 0, 0, "healthy", 5, {}, True, told))
    return identity


def vote(tx, identity, kind, person, back=0):
    revision = tx.rollouts.get(identity).revision - back
    return act.consent(tx, act.Act(kind, identity, "canary", revision, person, "looked"))


ACTS = st.one_of(
    st.tuples(st.sampled_from(["approve", "resume"]), st.sampled_from(PEOPLE), st.integers(0, 1)),
    st.tuples(st.sampled_from(sorted(STOPS)), st.sampled_from(PEOPLE), st.just(0)),
)


@given(st.lists(ACTS, max_size=12))
@settings(max_examples=60, deadline=None)
def test_nothing_leads_from_a_stop_to_forward_movement_and_no_ring_goes_on_without_two_others(store, acts):
    def work(tx):
        identity = begin(tx)
        agreed = set()
        stopped = False
        for kind, person, back in acts:
            before = tx.rollouts.get(identity)
            if kind in STOPS:
                try:
                    STOPS[kind](tx, identity, person, "stop")
                except ConflictError:
                    assert kind in {"pause", "reject"}
                stopped = stopped or kind != "pause"
                continue
            found = vote(tx, identity, kind, person, back)
            if person == "rita":
                assert found.status == 403
            if stopped or back:
                assert found.status in {403, 409} or person in {p for p, _, _ in agreed}
            if found.status in {200, 202}:
                agreed.add((person, kind, before.revision))
        after = tx.rollouts.get(identity)
        rings = tx.rollouts.rings(identity)
        if stopped:
            assert after.state in {"halted", "rejected", "rolling-back"}
            assert rings[1].state == "halted"
        if rings[0].state == "promoted":
            approved = {(person, revision) for person, kind, revision in agreed if kind == "approve"}
            assert {"ann", "bea"} <= {person for person, _ in approved}

    store.write(work).result(20)


def test_a_vote_lapses_after_an_hour(store):
    def work(tx):
        identity = begin(tx)
        at, now = tx.at, tx.now
        assert vote(tx, identity, "approve", "ann").status == 202
        tx.at, tx.now = at + act.VOTE_SECONDS + 1, now + act.VOTE_SECONDS + 1
        try:
            return vote(tx, identity, "approve", "bea")
        finally:
            tx.at, tx.now = at, now

    found = store.write(work).result(5)
    assert (found.status, found.have, found.need) == (202, 1, 2)


@pytest.mark.parametrize("passed", [-1800.0, act.VOTE_SECONDS + 1])
def test_while_the_stores_time_stands_still_votes_lapse_by_the_clock_and_one_from_its_future_does_not_count(
    store, passed
):
    def work(tx):
        identity, now = begin(tx), tx.now
        assert vote(tx, identity, "approve", "ann").status == 202
        tx.now = now + passed
        try:
            return vote(tx, identity, "approve", "bea")
        finally:
            tx.now = now

    found = store.write(work).result(5)
    assert (found.status, found.have, found.need) == (202, 1, 2)


def test_an_outcome_survives_its_way_through_a_workflow(store):
    outcomes = store.write(lambda tx: [vote(tx, begin(tx), "approve", person) for person in ("ann", "rita")]).result(5)
    assert [act.Outcome.from_document(each.to_document()) for each in outcomes] == outcomes


def test_an_unknown_rollout_is_data_and_no_exception(store):
    found = store.write(lambda tx: act.consent(tx, act.Act("approve", "none", "canary", 0, "ann", "x"))).result(5)
    assert (found.status, found.problem.code) == (404, "no-rollout")
