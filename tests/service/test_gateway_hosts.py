import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.service.gateway_world import world


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with world(tmp_path_factory.mktemp("gateway") / "data") as found:
        yield found


def test_enrolment_answers_where_to_look_and_how_often(shared):
    answer = shared.enrol("first", hardware="Model X/2")
    assert answer.status_code == 201
    assert answer.json() == {
        "host": "first", "stratum": "laptop-22631-model-x-2", "heartbeat": 60, "rings": {},
        "director": "/metadata/director/", "image": "/metadata/image/",
    }  # fmt: skip


def test_the_same_key_again_replaces_the_attributes_and_another_is_409(shared):
    shared.enrol("again")
    answer = shared.enrol("again", form="server")
    assert (answer.status_code, answer.json()["stratum"]) == (200, "server-22631-model-x")
    shared.keys["again"] = Ed25519PrivateKey.generate()
    assert shared.enrol("again").status_code == 409


def test_a_used_up_token_answers_only_those_it_enrolled(shared):
    once = shared.token("enrol", uses=1)
    assert shared.enrol("once", once).status_code == 201
    assert shared.enrol("once", once).status_code == 200
    assert shared.enrol("twice", once).status_code == 401
    shared.enrol("other")
    assert shared.enrol("other", once).status_code == 401


def test_a_refused_enrolment_uses_nothing_up(shared):
    shared.enrol("taken")
    once = shared.token("enrol", uses=1)
    shared.keys["taken"] = Ed25519PrivateKey.generate()
    assert shared.enrol("taken", once).status_code == 409
    assert shared.enrol("after-refusal", once).status_code == 201


def test_only_enrolment_tokens_enrol(shared):
    assert shared.enrol("nobody", shared.collector).status_code == 403
    assert shared.enrol("nobody", shared.token("enrol", ttl=-1)).status_code == 401
    assert shared.enrol("by-admin", shared.token("admin")).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        {"public_key": "AAAA"},
        {"public_key": "?"},
        {"host": "a b"},
        {"attributes": {}},
        {"attributes": {"form": "toaster"}},
    ],
)
def test_malformed_enrolments_are_400(shared, change):
    good = {
        "host": "bad",
        "public_key": "A" * 43 + "=",
        "attributes": {"os_build": 1, "hardware": "x", "form": "server"},
    }
    assert shared.send("/v1/hosts", good | change, shared.bearer(shared.enroller)).status_code == 400


def test_a_ring_is_told_once_and_again_when_it_changes(shared):
    shared.enrol("told")
    assert "rings" not in shared.send("/v1/beats", shared.beat("told")).json()
    shared.start("r1")
    assert shared.send("/v1/beats", shared.beat("told")).json()["rings"] == {"sensor": "canary"}
    assert "rings" not in shared.send("/v1/beats", shared.beat("told")).json()
    shared.write(lambda tx: tx.rollouts.end("r1") or tx.rollouts.move("r1", "halted", ["running"]))
    shared.start("r2", ring="early", policy={"rings": [{"name": "early", "size": {"rest": True}}], "heartbeat": "7s"})
    answer = shared.send("/v1/beats", {"beats": [shared.beat("told")]}).json()
    assert answer == {"next_beat": 7, "unknown": [], "rings": {"told": {"sensor": "early"}}}
    assert shared.enrol("newcomer").json()["rings"] == {"sensor": "early"}


def test_a_host_enrolled_during_a_rollout_gets_its_place_with_its_first_beat(shared):
    def member():
        return shared.store.read(lambda tx: tx.rollouts.member("r2", tx.hosts.find("latecomer").key))

    shared.enrol("latecomer", hardware="never-seen")
    assert member() is None
    shared.send("/v1/beats", shared.beat("latecomer"))
    found = member()
    assert (found.ring, found.stratum, found.baseline, found.directed) == ("early", "other", 7, True)


def test_what_a_host_may_leave_out_it_may_also_send_as_null(shared):
    assert shared.enrol("nulls", site=None, role=None, tenant=None, tags=None).status_code == 201
    found = shared.store.read(lambda tx: tx.hosts.find("nulls").attributes)
    assert found == {"os_build": 22631, "hardware": "model-x", "form": "laptop"}
    optional = ("boot", "crashed_at", "bugcheck", "uptime", "module", "signature", "signer", "company", "stack")
    crash = {"host": "nulls", "report": "n1", "kind": "live"} | dict.fromkeys(optional)
    assert shared.send("/v1/crashes", crash).status_code == 202
