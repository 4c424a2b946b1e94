"""The rollout, people and release tables keep what the ports promise."""

from dataclasses import replace

import pytest

from policies.digest import digest
from policies.profiles import profile
from rollout.adapters.clock import SystemClock
from rollout.adapters.store.migrate import migrate, open_store
from rollout.audit import first_broken
from rollout.decision import OPEN
from rollout.errors import ConflictError
from rollout.ports.person import TokenRecord, Vote
from rollout.ports.publication import RepositoryRecord
from rollout.ports.release import PolicyRecord, ReleaseRecord
from rollout.ports.rollout import Member, RingRecord, RolloutRecord

POLICY = profile("demo")


@pytest.fixture(scope="module")
def store(make_database):
    url = make_database()
    migrate(url)
    opened = open_store(url, SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def tx(store):
    """Do some work in a write transaction of its own."""
    return lambda work: store.write(work).result(10)


def rollout(number, product="sensor", **more):
    told = {
        "id": f"r{number}", "number": number, "product": product, "counter": 8, "policy": POLICY,
        "policy_digest": digest(POLICY), "state": "running", "state_since": 1.0, "over": False,
        "started_by": "rita", "reason": "new", "started_at": 1.0, "map_n": 1, "salt": "s", "strata": ("other",),
        "first_event": 0, "first_beat": 0, "revision": 0, "stop_reason": None, "completed_clock": None,
        "superseded": False,
    }  # fmt: skip
    return RolloutRecord(**told | more)


def rings(identity, *names):
    return [RingRecord(identity, i, name, "waiting", 1.0, 5, 0, None) for i, name in enumerate(names)]


def test_a_rollout_comes_back_as_it_was_stored(tx):
    record = rollout(1)
    tx(lambda t: t.rollouts.create(record, rings("r1", "a", "b")))
    assert tx(lambda t: t.rollouts.get("r1")) == record
    assert tx(lambda t: t.rollouts.newest("sensor")) == record
    assert [ring.name for ring in tx(lambda t: t.rollouts.rings("r1"))] == ["a", "b"]
    assert tx(lambda t: t.rollouts.get("r2")) is None


def test_a_state_changes_only_from_where_the_table_allows(tx):
    tx(lambda t: t.rollouts.create(rollout(2), rings("r2", "a")))
    assert not tx(lambda t: t.rollouts.move("r2", "rolled-back", ("rolling-back",)))
    assert tx(lambda t: t.rollouts.move("r2", "halted", OPEN, stop_reason="by ann"))
    found = tx(lambda t: t.rollouts.get("r2"))
    assert (found.state, found.stop_reason, found.revision) == ("halted", "by ann", 1)
    assert not tx(lambda t: t.rollouts.move_ring("r2", "a", "promoted", ("baking",)))
    assert tx(lambda t: t.rollouts.get("r2")).revision == 1
    assert tx(lambda t: t.rollouts.move_ring("r2", "a", "halted", ("waiting",)))
    assert tx(lambda t: t.rollouts.get("r2")).revision == 2


def test_what_is_judged_and_what_is_open_are_different_questions(tx):
    for number, state in ((10, "running"), (11, "completed"), (12, "halted")):
        tx(lambda t, n=number, s=state: t.rollouts.create(rollout(n, "judged", state=s), rings(f"r{n}", "a")))
    judged = {record.id for record in tx(lambda t: t.rollouts.judged()) if record.product == "judged"}
    assert judged == {"r10", "r11", "r12"}
    assert [record.id for record in tx(lambda t: t.rollouts.opened("judged"))] == ["r10"]
    tx(lambda t: t.rollouts.end("r11", superseded=True))
    assert (tx(lambda t: t.rollouts.get("r11")).over, tx(lambda t: t.rollouts.get("r11")).superseded) == (True, True)
    tx(lambda t: t.rollouts.reopen("r11"))
    assert not tx(lambda t: t.rollouts.get("r11")).over


def test_a_member_keeps_its_first_place(tx):
    first = Member(1, "a", "other", 7, directed=True, active=True, turn="c")
    tx(lambda t: t.rollouts.enlist("r1", [first]))
    tx(lambda t: t.rollouts.enlist("r1", [replace(first, ring="b"), Member(2, "b", "other", None, directed=False)]))
    assert tx(lambda t: t.rollouts.member("r1", 1)) == first
    assert [m.host for m in tx(lambda t: t.rollouts.members("r1", [2, 3]))] == [2]


def test_the_first_freeze_stays_and_each_has_its_number(tx):
    assert tx(lambda t: t.rollouts.frozen()) is None
    first = tx(lambda t: t.rollouts.freeze("ann", "fire"))
    assert tx(lambda t: t.rollouts.freeze("bea", "other")) == first
    tx(lambda t: t.rollouts.unfreeze())
    assert tx(lambda t: t.rollouts.frozen()) is None
    assert tx(lambda t: t.rollouts.freeze("ann", "fire")).number == first.number + 1
    tx(lambda t: t.rollouts.unfreeze())


def test_one_person_votes_once_at_one_revision(tx):
    for person, revision, at in (("ann", 1, 5.0), ("ann", 1, 9.0), ("bea", 2, 9.0)):
        cast = Vote("r1", "approve", "a", revision, person, "x", at)
        tx(lambda t, c=cast: t.people.vote(c))
    assert [(v.person, v.at) for v in tx(lambda t: t.people.votes("r1", "approve", "a", 1, 6.0))] == [("ann", 9.0)]
    assert tx(lambda t: t.people.votes("r1", "approve", "a", 1, 9.5)) == []


def token(name, role, **more):
    told = {"uses_left": None, "created_at": 1.0, "created_by": "x", "expires_at": 4e9} | more
    return TokenRecord(f"{name}-{role}", name, role, f"{name}{role}".encode(), **told)


def test_who_holds_a_role_holds_it_by_a_live_token(tx):
    made = [token("ann", "approver"), token("old", "approver", expires_at=2.0), token("root", "admin")]
    tx(lambda t: [t.people.add_token(each) for each in made])
    assert tx(lambda t: t.people.holders("approver")) == ["ann", "root"]
    assert tx(lambda t: t.people.revoke_token("ann-approver"))
    assert tx(lambda t: t.people.holders("approver")) == ["root"]
    assert not tx(lambda t: t.people.revoke_token("nobody"))


def test_a_counted_token_is_used_up(tx):
    tx(lambda t: t.people.add_token(token("once", "enrol", uses_left=2)))
    assert [tx(lambda t: t.people.use_token("once-enrol")) for _ in range(3)] == [True, True, False]


def test_the_audit_chain_tells_of_any_change(tx):
    for kind in ("one", "two", "three"):
        tx(lambda t, k=kind: t.people.record(k, rollout="r1", person="ann", detail={"n": 1}))
    rows = [{name: getattr(row, name) for name in row.__dataclass_fields__} for row in tx(lambda t: t.people.audit())]
    assert first_broken(rows) is None
    forged = [row | {"person": "eve"} if row["kind"] == "two" else row for row in rows]
    assert first_broken(forged) == next(row["seq"] for row in rows if row["kind"] == "two")


def test_releases_and_policies_stay_as_they_were_added(tx):
    record = ReleaseRecord("sensor", 8, "a" * 64, 3, "1", "content", 0, {"x": 1}, {"warrant": {}}, 1.0, "rita")
    tx(lambda t: t.releases.add(record))
    tx(lambda t: t.releases.sign("sensor", 8, {"warrant": {"a": []}}))
    assert tx(lambda t: t.releases.get("sensor", 8)) == replace(record, custom={"warrant": {"a": []}})
    stored = PolicyRecord(POLICY.name, digest(POLICY), POLICY, 1.0, "rita")
    tx(lambda t: (t.releases.add_policy(stored), t.releases.add_policy(replace(stored, added_by="bea"))))
    assert tx(lambda t: t.releases.policy(POLICY.name)) == stored
    other = POLICY.model_copy(update={"hold_out": 0.5})
    with pytest.raises(ConflictError):
        tx(lambda t: t.releases.add_policy(replace(stored, policy=other, digest=digest(other))))


def test_only_who_saw_the_last_revision_publishes(tx):
    def publish(revision, expected):
        record = RepositoryRecord("image", revision, {"targets": revision}, 1.0, {"targets": 2.0}, {})
        return tx(lambda t: t.publications.publish(record, {"1.root.json": b"%d" % revision}, expected))

    publish(1, 0)
    publish(2, 1)
    for late in (0, 1):
        with pytest.raises(ConflictError):
            publish(3, late)
    assert tx(lambda t: t.publications.repository("image")).revision == 2
    assert tx(lambda t: t.publications.files("image")) == {"1.root.json": b"2"}
