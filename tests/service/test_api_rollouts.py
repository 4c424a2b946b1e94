"""Releases, starts and views over HTTP."""

from dataclasses import replace

import pytest

from policies.load import load
from rollout.adapters.store.schema import token as table
from rollout.errors import InvalidError
from rollout.operation import start as starting
from rollout.operation.draft import Wish
from rollout.operation.start import start
from rollout.release import target
from rollout.ringmap import RingMap
from rollout.service.api.sight import SightBook
from tests.service.api_world import ASKING, POLICY, PRODUCT, package, world

ROLLOUT_FIELDS = {
    "rollout", "release", "state", "verdict", "sentence", "evidence_revision", "data_age", "rings",
    "frozen", "product", "started_by", "reason", "e", "ratio", "waiting",
}  # fmt: skip
RING_FIELDS = {
    "name", "state", "hosts", "held_out", "granted", "confirmed", "failed", "dark", "overdue", "outstanding", "window",
}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with world(tmp_path_factory.mktemp("api")) as made:
        yield made


@pytest.fixture
def here(served):
    served.forget()
    return served


def slug(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()["type"].removeprefix("urn:rollout:problem:")


def refused(here, counter=8, policy=POLICY, **more):
    body = {"release": f"{PRODUCT}/{counter}", "policy": policy, "reason": "new", **more}
    answer = here.post("/rollouts", body)
    return answer.status_code, slug(answer)


def test_a_release_is_its_bytes_for_ever(here):
    made = [here.post("/releases", content=package(8), by="rita/releaser") for _ in range(2)]
    other = here.post("/releases", content=package(8, notes="other bytes"), by="rita/releaser")
    assert [answer.status_code for answer in (*made, other)] == [201, 200, 409]
    assert slug(other) == "release-exists"
    told = made[0].json()
    assert told == made[1].json() == {"product": PRODUCT, "release_counter": 8, "sha256": told["sha256"]}
    path = target.path(PRODUCT, 8, told["sha256"])
    assert (here.data / "targets" / path).read_bytes() == package(8)
    stored = here.store.read(lambda tx: tx.releases.get(PRODUCT, 8))
    assert (stored.custom["warrant"], stored.custom["policy_digest"]) == ({}, "0" * 64)
    assert [each["release_counter"] for each in here.get("/releases")["releases"]] == [8]
    assert here.get(f"/releases/{PRODUCT}/8")["manifest"]["kind"] == "content"


def test_a_refused_package_is_told_every_failed_check_and_leaves_nothing(here):
    answer = here.post("/releases", content=b"not a zip")
    assert answer.status_code == 422
    assert [each["code"] for each in answer.json()["problems"]] == ["archive"]
    assert here.get("/releases") == {"releases": []}


def test_a_start_stores_map_warrant_rings_and_members_in_one_commit(here):
    here.fleet(30, running=7)
    here.add(7, 8)
    rollout = here.start(8)
    record = here.store.read(lambda tx: tx.rollouts.get(rollout))
    members = here.store.read(lambda tx: tx.rollouts.members(rollout))
    assert len(members) == 30
    assert all(m.baseline == 7 and m.directed and m.active for m in members)
    ring_map: RingMap = here.store.read(lambda tx: tx.publications.ring_map(PRODUCT))
    assert (ring_map.n, record.map_n) == (1, 1)
    names = here.store.read(lambda tx: tx.hosts.names([m.host for m in members]))
    assert all(ring_map.ring_of(names[m.host]) == m.ring for m in members)
    custom = here.store.read(lambda tx: tx.releases.get(PRODUCT, 8)).custom
    assert custom["policy_digest"] == record.policy_digest
    assert {ring: [bp for _, bp in steps] for ring, steps in custom["warrant"].items()} == {
        "canary": [10000],
        "everyone": [10000],
    }
    assert here.get("/decisions") == {"decisions": []}


def test_the_document_of_a_rollout_is_what_the_contract_says(here):
    here.fleet(30, running=7)
    here.add(7, 8)
    rollout = here.start(8)
    fresh = here.get(f"/rollouts/{rollout}")
    assert fresh.keys() >= ROLLOUT_FIELDS
    assert all(ring.keys() == RING_FIELDS for ring in fresh["rings"])
    assert (fresh["verdict"], fresh["data_age"], fresh["evidence_revision"]) == ("inconclusive", None, 0)
    assert [(r["name"], r["hosts"], r["held_out"], r["state"]) for r in fresh["rings"]] == [
        ("canary", 10, 0, "waiting"),
        ("everyone", 10, 10, "waiting"),
    ]
    here.judge(rollout)
    here.let_go(rollout)
    shown = here.get(f"/rollouts/{PRODUCT}")
    assert (shown["verdict"], shown["sentence"], shown["e"]["halt"]) == ("healthy", "All is well.", 1.5)
    assert shown["data_age"] >= 0.5
    assert (shown["rings"][0]["granted"], shown["rings"][0]["outstanding"]) == (3, 3)
    assert here.get("/rollouts?state=running")["rollouts"][0]["rollout"] == rollout
    assert here.get("/rollouts?state=halted") == {"rollouts": []}
    hosts = here.get(f"/rollouts/{rollout}/hosts?state=outstanding")["hosts"]
    assert [(h["ring"], h["state"]) for h in hosts] == [("canary", "outstanding")] * 3
    assert here.get(f"/rollouts/{rollout}/hosts?state=dark") == {"hosts": []}


def test_a_judgement_that_nobody_renews_is_blind_and_not_health(here):
    here.fleet(30)
    here.add(8)
    rollout = here.start(8)
    here.judge(rollout)
    record = here.store.read(lambda tx: tx.rollouts.get(rollout))
    book = SightBook()
    ages = [here.store.read(lambda tx, at=at: book.look(tx, record, at)) for at in (100.0, 104.0, 106.0)]
    assert [sight.fresh for sight in ages] == [True, True, False]
    here.judge(rollout)
    assert here.store.read(lambda tx: book.look(tx, record, 107.0)).fresh


def test_a_dry_run_changes_nothing_and_says_what_would_happen(here):
    here.fleet(30, running=7)
    here.fleet(2, running=3, prefix="odd")
    here.add(7, 8)
    body = {"release": f"{PRODUCT}/8", "policy": POLICY, "reason": "look", "dry_run": True}
    answer = here.post("/rollouts", body, by="rita/releaser")
    told = answer.json()
    assert (answer.status_code, told["schema"]) == (200, "rollout.plan/1")
    assert sum(ring["hosts"] for ring in told["rings"]) + told["held_out"] == 32
    assert told["unstored"] == ["odd-00000", "odd-00001"]
    assert (told["lethal_harm"], told["problems"]) == (5, [])
    assert here.get("/rollouts") == {"rollouts": []}
    assert here.store.read(lambda tx: tx.publications.ring_map(PRODUCT)) is None


def test_a_dry_run_names_every_host_that_a_limit_delays_and_its_ring(here):
    here.fleet(30, running=7)
    here.add(7, 8)
    canary, everyone = POLICY["rings"]
    limited = {**POLICY, "rings": [{**canary, "limits": {"site": "10%"}}, everyone]}
    body = {"release": f"{PRODUCT}/8", "policy": limited, "reason": "look", "dry_run": True}
    told = here.post("/rollouts", body, by="rita/releaser").json()
    assert (told["rings"][0]["hosts"], told["rings"][0]["eligible"]) == (10, 3)
    assert (len(told["delayed"]), set(told["delayed"].values())) == (7, {"everyone"})
    assert told["ineligible"] == {}


def test_a_host_whose_way_back_is_unknown_forbids_the_start_by_name(here):
    here.fleet(30, running=7)
    here.fleet(25, running=3, prefix="odd")
    here.add(7, 8)
    answer = here.post("/rollouts", {"release": f"{PRODUCT}/8", "policy": POLICY, "reason": "new"})
    assert (answer.status_code, slug(answer)) == (409, "unstored-baseline")
    assert answer.json()["detail"].count("odd-") == 20
    started = here.post(
        "/rollouts", {"release": f"{PRODUCT}/8", "policy": POLICY, "reason": "n", "skip_unstored": True}
    )
    members = here.store.read(lambda tx: tx.rollouts.members(started.json()["rollout"]))
    assert sum(not member.directed for member in members) == 25


def test_one_product_has_one_open_rollout(here):
    here.fleet(30, running=7)
    here.add(7, 8, 9)
    first = here.start(8)
    assert refused(here, 9) == (409, "open-rollout")
    canary, everyone = POLICY["rings"]
    tight = {**canary, "promote": {"margin": None, "early_life": "0.1%"}}
    picked = {**POLICY, "rings": [tight, everyone]}
    assert refused(here, 9, policy=picked) == (409, "open-rollout"), "also where the policy would be refused"
    here.post(f"/rollouts/{first}/halt")
    second = here.start(9)
    assert here.store.read(lambda tx: [tx.rollouts.get(r).map_n for r in (first, second)]) == [1, 2]


def test_what_forbids_a_start(here):
    here.fleet(30, running=7)
    here.add(7, 8)
    assert refused(here, 9) == (404, "no-release")
    assert refused(here, policy="nameless") == (404, "no-policy")
    canary, everyone = POLICY["rings"]
    squeezed = {**POLICY, "rings": [{**canary, "limits": {"site": "3%"}}, everyone]}
    assert refused(here, policy=squeezed) == (409, "limits"), "3 % of 30 hosts of one site are nobody"
    early = {"promote": {"margin": None, "early_life": "9%"}, "size": {"share": "30%"}}
    tight = {**POLICY, "rings": [{**canary, **early}, everyone]}
    assert refused(here, policy=tight) == (422, "early-life")
    assert refused(here, 7) == (409, "no-hosts")
    here.post("/freeze", {"reason": "fire"})
    assert refused(here) == (409, "frozen")


def test_an_approval_that_nobody_can_give_forbids_the_start(here):
    here.fleet(30, running=7)
    here.add(7, 8)
    assert here.post("/policies/lint", ASKING).json()["accepted"]
    tokens = here.store.read(lambda tx: tx.people.tokens())
    able = [token.id for token in tokens if token.role in {"approver", "admin"}]
    wish = Wish(PRODUCT, 8, load(ASKING), "new", "rita", ("a", "b"))
    here.write(lambda tx: [tx.people.revoke_token(identity) for identity in able])
    try:
        with pytest.raises(InvalidError, match="nobody holds") as refusal:
            start(here.store, wish)
        assert [each.code for each in refusal.value.problems] == ["role"]
    finally:
        here.write(lambda tx: tx.connection.execute(table.update().values(revoked_at=None)))


def test_a_driver_may_not_run_under_a_policy_for_content(here):
    here.fleet(30, running=7)
    here.add(7)

    def driver(tx):
        stored = tx.releases.get(PRODUCT, 7)
        custom = {**stored.custom, "release_counter": 8, "kind": "driver"}
        tx.releases.add(replace(stored, counter=8, sha256="c" * 64, kind="driver", custom=custom))

    here.write(driver)
    assert refused(here) == (422, "weaker-policy")
    assert refused(here, policy="content") == (422, "weaker-policy")


def test_a_later_release_takes_the_place_of_a_completed_one(here):
    here.fleet(30, running=7)
    here.add(7, 8, 9)
    first = here.start(8)
    here.write(lambda tx: tx.rollouts.move(first, "completed", ("running",)))
    assert refused(here, 8) == (409, "downgrade")
    here.start(9)
    shown = here.get(f"/rollouts/{first}")
    assert (shown["state"], shown["superseded"], shown["over"], shown["waiting"]) == ("completed", True, True, None)


def test_a_host_that_enrols_while_a_start_is_planned_has_its_place(here, monkeypatch):
    here.fleet(30, running=7)
    here.add(7, 8)
    planned = starting.draft

    def late(store, wish):
        found = planned(store, wish)
        here.fleet(1, running=7, prefix="late")
        return found

    monkeypatch.setattr(starting, "draft", late)
    rollout = here.start(8)
    assert len(here.store.read(lambda tx: tx.rollouts.members(rollout))) == 31


def test_a_freeze_while_a_start_is_planned_stops_it(here, monkeypatch):
    here.fleet(30, running=7)
    here.add(7, 8)
    planned = starting.draft

    def meanwhile(store, wish):
        found = planned(store, wish)
        here.post("/freeze", {"reason": "fire"})
        return found

    monkeypatch.setattr(starting, "draft", meanwhile)
    assert refused(here) == (409, "frozen")
    assert here.get("/rollouts") == {"rollouts": []}


def test_a_large_fleet_is_enlisted_in_slices_that_no_other_start_can_find(here, monkeypatch):
    monkeypatch.setattr(starting, "AT_ONCE", 20)
    here.fleet(30, running=7)
    here.add(7, 8)
    rollout = here.start(8)
    assert len(here.store.read(lambda tx: tx.rollouts.members(rollout))) == 30
    assert rollout.startswith("r1-")
