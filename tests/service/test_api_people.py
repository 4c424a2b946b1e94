"""Tokens, policies and bodies over HTTP: who may, and what a wrong request is answered."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies import profiles
from rollout.adapters.settings import Settings
from rollout.audit import first_broken
from rollout.service.up.prepare import prepare
from tests.service.api_world import POLICY, world

ACTS = ("/rollouts/x/halt", "/rollouts/x/approve", "/rollouts/x/resume", "/freeze")
POSTS = (*ACTS, "/rollouts", "/tokens", "/policies")
WRONG = {
    "cut": b"{",
    "list": b"[]",
    "null": b"null",
    "text": b'"x"',
    "bytes": b"\xff\xfe",
    "nan": b'{"reason": NaN}',
    "twice": b'{"reason": 1, "reason": 2}',
    "deep": b'{"reason": ' + b"[" * 5000,
    "unknown": b'{"unknown": 1}',
    "large": b"0" * (1 << 20) + b"1",
}
NAMES = st.sampled_from(["reason", "policy", "role", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with world(tmp_path_factory.mktemp("api")) as made:
        yield made


def test_a_token_is_shown_once_and_stored_as_its_hmac(here):
    made = here.post("/tokens", {"role": "viewer", "name": "vera", "ttl": "2h"})
    secret = made.json()["token"]
    assert (made.status_code, len(secret)) == (201, 43)
    listed = here.get("/tokens")["tokens"]
    assert secret not in json.dumps(listed)
    assert not any(secret.encode() in path.read_bytes() for path in here.data.glob("store.sqlite3*"))
    here.tokens["vera"] = secret
    assert here.call("GET", "/rollouts", by="vera").status_code == 200
    assert here.call("DELETE", f"/tokens/{made.json()['id']}").status_code == 200
    assert here.call("GET", "/rollouts", by="vera").status_code == 401


def test_a_token_that_counts_its_uses_ends_with_them(here):
    here.tokens["once"] = here.post("/tokens", {"role": "viewer", "name": "once", "uses": 1}).json()["token"]
    assert [here.call("GET", "/rollouts", by="once").status_code for _ in range(2)] == [200, 401]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer nonsense", "Basic YTpi", "Bearer " + "x" * 5000])
def test_without_a_live_token_nobody_sees_anything(here, header):
    answer = here.http.get("/rollouts", headers={} if header is None else {"authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["type"].startswith("urn:rollout:problem:")


def test_only_admins_make_tokens_and_machines_see_nothing(here):
    assert here.post("/tokens", {"role": "admin", "name": "me"}, by="otto/operator").status_code == 403
    for machine in ("enrol", "collector"):
        assert here.call("GET", "/rollouts", by=f"m/{machine}").status_code == 403


def test_the_admin_token_and_the_profiles_are_made_once(here):
    before = (here.data / "admin.token").read_bytes()
    prepare(Settings(data=here.data))
    assert (here.data / "admin.token").read_bytes() == before
    assert (here.data / "admin.token").stat().st_mode & 0o777 == 0o600
    assert {each["name"] for each in here.get("/policies")["policies"]} >= set(profiles.names())


def test_a_policy_is_stored_for_ever_under_its_name(here):
    first = here.post("/policies", POLICY, by="rita/releaser")
    again = here.post("/policies", POLICY, by="rita/releaser")
    assert (first.status_code, again.status_code, first.json()) == (201, 201, again.json())
    other = here.post("/policies", {**POLICY, "heartbeat": "2s"}, by="rita/releaser")
    assert other.status_code == 409
    yaml = here.post("/policies", content=profiles.text("demo").encode(), headers={"content-type": "application/yaml"})
    assert yaml.status_code == 201


def test_lint_says_everything_that_is_wrong(here):
    bad = {**POLICY, "lease": "2h", "rings": [{**POLICY["rings"][0], "budget": 0}, POLICY["rings"][1]]}
    found = here.post("/policies/lint", {"policy": bad}).json()
    assert (found["accepted"], {"lease", "budget"} <= {each["code"] for each in found["problems"]}) == (False, True)
    assert here.post("/policies/lint", {"policy": "driver"}).json()["accepted"]
    assert not here.post("/policies/lint", {"policy": {"kind": "x"}}).json()["accepted"]
    assert here.post("/policies", bad).status_code == 422


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_every_bad_body_is_a_4xx_problem(here, path, body):
    answer = here.post(path, content=body)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code


@given(path=st.sampled_from(POSTS), body=JSON)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_at_all_makes_the_server_fail(here, path, body):
    answer = here.post(path, content=json.dumps(body).encode())
    assert answer.status_code < 500


def test_a_keyed_request_is_done_once_and_answered_alike(here):
    def make(name, key="k1", by="admin"):
        return here.post("/tokens", {"role": "viewer", "name": name}, headers={"idempotency-key": key}, by=by)

    first, again, other = make("kim"), make("kim"), make("lee")
    assert (first.status_code, again.json()) == (201, first.json())
    assert (other.status_code, other.json()["type"]) == (422, "urn:rollout:problem:idempotency-key")
    assert make("kim", by="other/admin").json() != first.json()
    assert make("kim", "k2").json() != first.json()


def test_unknown_paths_and_methods_are_problems_too(here):
    for method, path, status in (("GET", "/nothing", 404), ("PUT", "/freeze", 405), ("GET", "/rollouts/none", 404)):
        answer = here.call(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_the_process_tells_how_it_is(here):
    for path in ("/healthz", "/readyz", "/metrics"):
        assert here.http.get(f"{here.url}{path}").status_code == 200
    assert 'route="/rollouts"' in here.http.get(f"{here.url}/metrics").text
    assert here.get("/version")["api"] == "v1"


def test_the_whole_record_is_read_as_it_is_hashed_and_its_chain_holds(here):
    for number in range(3):
        here.post("/tokens", {"role": "viewer", "name": f"v{number}"})
    rows = []
    while more := here.get(f"/audit?limit=2&after={rows[-1]['seq'] if rows else 0}", by="vera/viewer")["audit"]:
        rows += more
    assert len(rows) >= 4
    assert first_broken(rows) is None
    assert first_broken([*rows[:1], *rows[2:]]) is not None
    for wrong in ("after=-1", "after=x", "limit=0", "limit=100000", f"after={2**63}"):
        assert here.call("GET", f"/audit?{wrong}").status_code == 422
