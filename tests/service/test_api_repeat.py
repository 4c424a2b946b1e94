"""`Idempotency-Key` over HTTP: done once, over restarts and processes, and never in the way of a stop."""

import asyncio
import threading

import pytest

from rollout.adapters.store.schema import keyed_request
from rollout.service.api.keyed import KeyedStop
from tests.service.api_world import POLICY, package, world

VIEWER = {"role": "viewer", "name": "vera"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def here(data):
    with world(data) as made:
        yield made


@pytest.fixture(autouse=True)
def _empty(here):
    here.forget()


def keyed(where, path, body, key="k", by="admin", **more):
    return where.post(path, body, headers={"idempotency-key": key} | more.pop("headers", {}), by=by, **more)


def test_the_answer_is_the_same_in_another_process_and_after_a_restart(here, data):
    first = keyed(here, "/tokens", VIEWER)
    with world(data) as other:
        again = keyed(other, "/tokens", VIEWER)
        wrong = keyed(other, "/tokens", {**VIEWER, "name": "willy"})
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert (again.headers["content-type"], again.headers["idempotency-replayed"]) == ("application/json", "true")
    assert (wrong.status_code, wrong.json()["type"]) == (422, "urn:rollout:problem:idempotency-key")
    assert keyed(here, "/tokens", VIEWER, "other").json() != first.json()


def test_a_rollout_is_started_once_however_often_a_pipeline_asks(here):
    here.add(7)
    here.fleet(20)
    body = {"release": "sensor/7", "policy": POLICY, "reason": "new"}
    started = [keyed(here, "/rollouts", body, "deploy-7", by="ci/releaser") for _ in range(2)]
    assert [each.status_code for each in started] == [201, 201]
    assert started[0].json() == started[1].json()
    assert len(here.get("/rollouts")["rollouts"]) == 1


def test_two_tokens_of_a_person_are_one_and_two_persons_are_two(here):
    tokens = [here.post("/tokens", {"role": "releaser", "name": "rita"}).json()["token"] for _ in range(2)]
    here.tokens |= {"first": tokens[0], "second": tokens[1]}
    made = [keyed(here, "/policies", POLICY, by=by) for by in ("first", "second", "roy/releaser")]
    assert [("idempotency-replayed" in each.headers) for each in made] == [False, True, False]


def test_who_lacks_the_role_is_refused_although_the_answer_is_known(here):
    keyed(here, "/tokens", VIEWER, by="kim/admin")
    here.tokens["weak"] = here.post("/tokens", {"role": "viewer", "name": "kim"}).json()["token"]
    assert keyed(here, "/tokens", VIEWER, by="weak").status_code == 403


def test_a_secret_is_never_stored_in_clear(here, data):
    made = keyed(here, "/tokens", VIEWER, "in-clear").json()
    rows = here.store.read(lambda tx: tx.connection.execute(keyed_request.select()).fetchall())
    assert [row.status for row in rows] == [201]
    for secret in (made["token"], made["id"], "in-clear", "vera"):
        assert not any(secret.encode() in bytes(str(row), "utf-8") or secret.encode() in row.answer for row in rows)
    assert not any(made["token"].encode() in path.read_bytes() for path in data.glob("store.sqlite3*"))


def test_what_was_refused_may_be_tried_again_under_its_key(here):
    body = {"release": "sensor/7", "policy": POLICY, "reason": "new"}
    assert keyed(here, "/rollouts", body, by="ci/releaser").status_code == 404
    here.add(7)
    here.fleet(20)
    assert keyed(here, "/rollouts", body, by="ci/releaser").status_code == 201


def test_a_package_may_carry_a_key_too(here):
    sent = [
        here.post("/releases", content=package(3), headers={"idempotency-key": "p", "content-type": "application/zip"})
        for _ in range(2)
    ]
    assert [each.status_code for each in sent] == [201, 201]


def test_a_stop_asked_again_under_its_key_stops_again(here):
    for _ in range(2):
        assert keyed(here, "/freeze", {"reason": "now"}).json() == {"frozen": True}
        assert here.post("/unfreeze", by="ann/approver").status_code == 202
        assert here.post("/unfreeze", by="bea/approver").json() == {"frozen": False}


def test_a_stop_under_a_key_that_was_used_with_another_body_is_done_and_says_so(here):
    assert keyed(here, "/freeze", {"reason": "now"}).status_code == 200
    assert here.post("/unfreeze", by="ann/approver").status_code == 202
    assert here.post("/unfreeze", by="bea/approver").json() == {"frozen": False}
    other = keyed(here, "/freeze", {"reason": "another"})
    assert (other.status_code, other.json()["type"]) == (422, "urn:rollout:problem:idempotency-key")
    assert "IS in force" in other.json()["detail"]
    (waiting,) = here.get("/decisions")["decisions"]
    assert waiting["kind"] == "unfreeze"


def test_a_stop_asked_again_answers_what_is_now(here):
    here.add(7)
    here.fleet(20)
    rollout = here.start(7)
    here.judge(rollout)
    path = f"/rollouts/{rollout}/pause"
    first = keyed(here, path, {"reason": "look"}).json()
    here.let_go(rollout)
    again = keyed(here, path, {"reason": "look"})
    assert "idempotency-replayed" not in again.headers
    assert [sum(ring["granted"] for ring in found["rings"]) for found in (first, again.json())] == [0, 3]


def test_a_stop_that_was_refused_uses_no_key(here):
    assert keyed(here, "/rollouts/r99/halt", {"reason": "a"}).status_code == 404
    assert keyed(here, "/rollouts/r99/halt", {"reason": "b"}).status_code == 404
    assert here.store.read(lambda tx: tx.connection.execute(keyed_request.select()).fetchall()) == []


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_no_stop_is_refused_for_what_its_key_looks_like(here, key):
    assert keyed(here, "/freeze", {"reason": "now"}, key).json() == {"frozen": True}


def test_a_stop_that_is_done_does_not_wait_for_a_store_that_does_not_take_its_key(here, monkeypatch):
    monkeypatch.setattr("rollout.service.api.keyed.NOTED_SECONDS", 0.01)
    stop, held = KeyedStop(here.api, "/freeze", "k", b"{}"), threading.Event()
    busy = here.store.write(lambda _tx: held.wait(60))

    async def settled():
        await stop.claim("ann")
        return await stop.settle(200, "application/json", b"{}")

    try:
        assert asyncio.run(settled()) is None
        assert not busy.done()
    finally:
        held.set()
    assert busy.result(10)


def test_where_the_keys_cannot_be_read_stops_still_stop_and_nothing_else_goes_on(here):
    here.add(7)
    here.fleet(20)
    rollout = here.start(7)
    here.write(lambda tx: keyed_request.drop(tx.connection))
    try:
        assert keyed(here, "/tokens", VIEWER).status_code == 503
        stops = [("pause", None, 200), ("halt", None, 200), ("rollback", {"reason": "bad"}, 202)]
        for verb, body, status in stops:
            assert keyed(here, f"/rollouts/{rollout}/{verb}", body).status_code == status
        assert keyed(here, "/freeze", {"reason": "all"}).status_code == 200
    finally:
        here.write(lambda tx: keyed_request.create(tx.connection))


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_without_or_of_too_many_characters_is_refused(here, key):
    assert keyed(here, "/tokens", VIEWER, key).status_code == 422
