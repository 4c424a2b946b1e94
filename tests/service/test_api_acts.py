"""Acts of people over HTTP: stopping is one person at once, going forward takes evidence and several."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from rollout.decision import Step, sources, target
from tests.service.api_world import ASKING, PRODUCT, world


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with world(tmp_path_factory.mktemp("api")) as made:
        made.fleet(30, running=7)
        made.add(7, 8)
        yield made


@pytest.fixture
def here(served):
    served.forget("host", "presence", "running", "release")
    return served


def asked(here):
    for person in ("ann/approver", "bea/approver"):
        here.token(person)
    rollout = here.start(8, ASKING)
    here.ask(rollout)
    return rollout, here.get(f"/rollouts/{rollout}")["evidence_revision"]


def approval(revision, ring="canary"):
    return {"ring": ring, "evidence_revision": revision, "reason": "looked at it"}


def slug(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()["type"].removeprefix("urn:rollout:problem:")


def test_a_halt_is_in_force_before_its_answer_and_may_be_asked_again(here):
    rollout = here.start(8)
    for _ in range(2):
        answer = here.post(f"/rollouts/{rollout}/halt", by="otto/operator")
        assert (answer.status_code, answer.json()["state"]) == (200, "halted")
        assert here.store.read(lambda tx: tx.rollouts.get(rollout)).state == "halted"
    shown = here.get(f"/rollouts/{PRODUCT}")
    assert [ring["state"] for ring in shown["rings"]] == ["halted", "halted"]
    assert "by otto" in shown["sentence"]
    acts = [row for row in here.get(f"/rollouts/{rollout}/decisions")["decisions"] if row["kind"] == "act.halt"]
    assert [(row["person"], row["from"]) for row in acts] == [("otto", "running")]
    assert here.store.read(lambda tx: [e.detail["act"] for e in tx.events.after(0) if e.kind == "acted"]) == ["halt"]


def test_stopping_wins_every_race_with_approving(here):
    rollout, revision = asked(here)

    def halt(_):
        return here.post(f"/rollouts/{rollout}/halt", {"reason": "no"}, by="otto/operator").status_code

    def approve(number):
        by = ("ann/approver", "bea/approver")[number % 2]
        return here.post(f"/rollouts/{rollout}/approve", approval(revision), by=by).status_code

    here.token("otto/operator")
    with ThreadPoolExecutor(20) as people:
        approved = people.map(approve, range(20))
        halted = people.map(halt, range(20))
        assert set(halted) == {200}
        assert set(approved) <= {200, 202, 409}
    shown = here.get(f"/rollouts/{rollout}")
    assert shown["state"] == "halted"
    assert (
        here.post(f"/rollouts/{rollout}/approve", approval(shown["evidence_revision"]), by="ann/approver").status_code
        == 409
    )


def test_a_ring_is_promoted_when_two_others_have_looked_at_the_same_evidence(here):
    rollout, revision = asked(here)
    waits = here.get("/decisions")["decisions"]
    assert [(w["rollout"], w["ring"], w["kind"], w["have"], w["need"]) for w in waits] == [
        (rollout, "canary", "approve", 0, 2)
    ]
    first = here.post(f"/rollouts/{rollout}/approve", approval(revision), by="ann/approver")
    again = here.post(f"/rollouts/{rollout}/approve", approval(revision), by="ann/approver")
    assert [(a.status_code, a.json()["have"], a.json()["need"]) for a in (first, again)] == [(202, 1, 2)] * 2
    assert "1 of 2 persons" in first.json()["waiting"]["for"]
    last = here.post(f"/rollouts/{rollout}/approve", approval(revision), by="bea/approver")
    assert (last.status_code, last.json()["state"]) == (200, "running")
    assert last.json()["rings"][0]["state"] == "promoted"
    repeated = here.post(f"/rollouts/{rollout}/approve", approval(revision), by="bea/approver")
    assert repeated.status_code == 200  # whose answer was lost


def test_two_tokens_of_one_name_are_one_person(here):
    rollout, revision = asked(here)
    here.post(f"/rollouts/{rollout}/approve", approval(revision), by="ann/approver")
    here.tokens.pop("ann/approver")
    assert here.post(f"/rollouts/{rollout}/approve", approval(revision), by="ann/approver").json()["have"] == 1


def test_who_started_may_not_approve_whatever_role_they_hold(here):
    for person in ("admin", "rita/approver"):
        rollout, revision = asked(here) if person == "rita/approver" else (None, None)
        if rollout is None:
            here.token("ann/approver")
            rollout = here.start(8, ASKING, by="admin")
            here.ask(rollout)
            revision = here.get(f"/rollouts/{rollout}")["evidence_revision"]
        answer = here.post(f"/rollouts/{rollout}/approve", approval(revision), by=person)
        assert (answer.status_code, slug(answer)) == (403, "own-rollout")
        here.post(f"/rollouts/{rollout}/halt")


def test_an_approval_of_other_evidence_is_refused_with_what_changed(here):
    rollout, revision = asked(here)
    here.write(lambda tx: tx.rollouts.raise_revision(rollout))
    answer = here.post(f"/rollouts/{rollout}/approve", approval(revision), by="ann/approver")
    assert (answer.status_code, slug(answer)) == (409, "stale-evidence")
    assert str(revision + 1) in answer.json()["detail"]
    assert "All is well" in answer.json()["detail"]


def test_votes_for_other_evidence_do_not_count(here):
    rollout, revision = asked(here)
    here.post(f"/rollouts/{rollout}/approve", approval(revision), by="ann/approver")
    here.write(lambda tx: tx.rollouts.raise_revision(rollout))
    answer = here.post(f"/rollouts/{rollout}/approve", approval(revision + 1), by="bea/approver")
    assert (answer.status_code, answer.json()["have"]) == (202, 1)


@pytest.mark.parametrize(("verdict", "promotable"), [("blind", True), ("healthy", False), ("inconclusive", False)])
def test_nobody_can_promote_what_the_judge_does_not_see_as_safe(here, verdict, promotable):
    rollout, revision = asked(here)
    here.judge(rollout, verdict, promotable=promotable)
    answer = here.post(f"/rollouts/{rollout}/approve", approval(revision), by="ann/approver")
    assert (answer.status_code, slug(answer)) == (409, "not-promotable")


def test_another_ring_than_the_waiting_one_is_not_approved(here):
    rollout, revision = asked(here)
    answer = here.post(f"/rollouts/{rollout}/approve", approval(revision, "everyone"), by="ann/approver")
    assert (answer.status_code, slug(answer)) == (409, "not-waiting")


def test_a_pause_of_an_asking_rollout_takes_the_answer_back(here):
    rollout, _ = asked(here)
    assert here.post(f"/rollouts/{rollout}/pause", by="otto/operator").json()["state"] == "paused"
    revision = here.get(f"/rollouts/{rollout}")["evidence_revision"]
    body = {"evidence_revision": revision, "reason": "found nothing"}
    assert here.post(f"/rollouts/{rollout}/resume", body, by="ann/approver").status_code == 202
    resumed = here.post(f"/rollouts/{rollout}/resume", body, by="bea/approver")
    assert (resumed.status_code, resumed.json()["state"]) == (200, "running")
    assert resumed.json()["rings"][0]["state"] == "baking"


def test_without_the_engine_everything_stops_and_nothing_goes_forward(here):
    rollout, revision = asked(here)
    here.engine.down = True
    for path, body in (("approve", approval(revision)), ("resume", {"evidence_revision": revision, "reason": "go"})):
        answer = here.post(f"/rollouts/{rollout}/{path}", body, by="ann/approver")
        assert (answer.status_code, slug(answer)) == (503, "engine-unreachable")
        assert answer.headers["retry-after"]
    assert here.post("/freeze", {"reason": "fire"}, by="otto/operator").json() == {"frozen": True}
    assert here.post("/unfreeze", by="ann/approver").status_code == 503
    for act, status in (("pause", 200), ("reject", 200), ("halt", 200)):
        assert here.post(f"/rollouts/{rollout}/{act}").status_code == status
    assert here.post(f"/rollouts/{rollout}/rollback", {"reason": "back"}).status_code == 202


def test_a_freeze_is_lifted_by_two_approvers(here):
    rollout = here.start(8)
    here.post("/freeze", {"reason": "fire"}, by="otto/operator")
    shown = here.get(f"/rollouts/{rollout}")
    assert (shown["frozen"], shown["state"]) == (True, "running")
    assert "unfreeze" in shown["waiting"]["for"]
    one = here.post("/unfreeze", by="ann/approver")
    assert (one.status_code, one.json()) == (202, {"frozen": True, "have": 1, "need": 2})
    assert here.post("/unfreeze", by="ann/approver").status_code == 202
    assert here.post("/unfreeze", by="otto/operator").status_code == 403
    assert here.post("/unfreeze", by="bea/approver").json() == {"frozen": False}
    acts = here.store.read(lambda tx: [e.detail["act"] for e in tx.events.after(0) if e.kind == "acted"])
    assert acts == ["freeze", "unfreeze"]
    here.post("/freeze", {"reason": "again"})
    assert here.post("/unfreeze", by="bea/approver").json()["have"] == 1  # votes were for the other freeze


def test_a_rollback_reopens_what_was_over_but_never_beside_a_newer_rollout(here):
    rollout = here.start(8)
    here.post(f"/rollouts/{rollout}/halt")
    here.write(lambda tx: tx.rollouts.end(rollout))
    newer = here.start(8)
    refused = here.post(f"/rollouts/{rollout}/rollback", {"reason": "back"})
    assert (refused.status_code, slug(refused)) == (409, "newer-rollout")
    here.post(f"/rollouts/{newer}/halt")
    for _ in range(2):
        answer = here.post(f"/rollouts/{rollout}/rollback", {"reason": "back"})
        assert (answer.status_code, answer.json()["state"], answer.json()["over"]) == (202, "rolling-back", False)
    assert here.post(f"/rollouts/{rollout}/halt").json()["state"] == "rolling-back"
    here.write(lambda tx: tx.rollouts.move(rollout, target(Step.FINISH), sources(Step.FINISH)))
    assert here.post(f"/rollouts/{rollout}/rollback", {"reason": "again"}).status_code == 409


def test_a_rollback_of_a_running_rollout_halts_it_in_the_evidence_too(here):
    rollout = here.start(8)
    here.post(f"/rollouts/{rollout}/rollback", {"reason": "back"}, by="otto/operator")
    assert here.store.read(lambda tx: [e.detail["act"] for e in tx.events.after(0) if e.kind == "acted"]) == ["halt"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("halt", "operator"), ("pause", "operator"), ("rollback", "operator"), ("reject", "approver")],
)
def test_each_act_has_its_role(here, path, allowed):
    rollout = here.start(8)
    for role in ("viewer", "releaser", "operator", "approver", "enrol", "collector"):
        if role != allowed:
            assert here.post(f"/rollouts/{rollout}/{path}", {"reason": "x"}, by=f"p/{role}").status_code == 403
    assert here.post(f"/rollouts/{rollout}/{path}", {"reason": "x"}, by=f"p/{allowed}").status_code in {200, 202}
