"""Every route of the control API under bodies, paths, queries and fields that no honest client sends."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from rollout.service import problem
from tests.attacks.schemas import kept
from tests.service.api_world import POLICY, world

pytestmark = pytest.mark.slow
JSON = {"content-type": "application/json"}
BODIES = {
    "nothing but spaces": b"   ",
    "no object": b"[]",
    "a text": b'"reason"',
    "cut short": b'{"reason": "r"',
    "two documents": b'{"reason": "r"}{"reason": "r"}',
    "UTF-16": '{"reason": "r"}'.encode("utf-16"),
    "no UTF-8": b'{"reason": "\xff"}',
    "a lone surrogate": b'{"reason": "\\ud800"}',
    "NUL": b'{"reason": "a\\u0000b"}',
    "a field twice": b'{"reason": "a", "reason": "b"}',
    "NaN": b'{"evidence_revision": NaN}',
    "infinity": b'{"evidence_revision": 1e999}',
    "5000 digits": b'{"evidence_revision": ' + b"9" * 5000 + b"}",
    "33 levels": b'{"policy": ' + b"[" * 33 + b"]" * 33 + b"}",
    "100000 levels": b"[" * 100_000,
    "a large body": b'{"reason": "' + b"x" * (1 << 20) + b'"}',
    "an unknown field": b'{"reason": "r", "cheat": true}',
    "a wrong type": b'{"reason": 7, "release": [], "ring": {}, "evidence_revision": "1", "role": 1, "name": null}',
    "a long reason": b'{"reason": "' + b"x" * 2001 + b'"}',
    "a NUL sent raw": b'{"reason": "a\x00b"}',
}


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with world(tmp_path_factory.mktemp("api") / "data") as found:
        found.fleet(20, running=1)
        found.add(1, 8)
        found.rollout = found.start(8)
        found.document = found.http.get("/openapi.json").json()
        yield found


def refused(here, answer):
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == problem.CONTENT_TYPE
    assert answer.json()["status"] == answer.status_code


def routes(here, method):
    for path, item in here.document["paths"].items():
        if method in item and path.startswith("/api/v1/"):
            name = "h-00001" if "/hosts/" in path else here.rollout
            yield path.removeprefix("/api/v1").replace("{name}", name).replace("{identity}", "x"), item[method]


@pytest.mark.parametrize("kind", BODIES)
def test_no_act_takes_a_body_like_this_and_nothing_of_it_is_kept(here, kind):
    before = kept(here.store)
    for path, operation in routes(here, "post"):
        if "application/zip" in operation["requestBody"]["content"]:
            continue
        content = BODIES[kind]
        if kind == "nothing but spaces" and path.endswith(("/halt", "/pause", "/reject", "/unfreeze", "/lint")):
            continue  # no body at all is a body there
        if path == "/policies/lint" and kind not in {"no UTF-8", "UTF-16", "a large body", "NUL"}:
            assert here.post(path, content=content, headers=JSON).status_code < 500  # it answers what is wrong
            continue
        refused(here, here.post(path, content=content, headers=JSON))
    assert kept(here.store) == before


@pytest.mark.parametrize(
    ("coding", "content", "status"),
    [
        ("br", b"{}", 415),
        ("gzip, gzip", gzip.compress(b"{}", mtime=0), 415),
        ("gzip", b"{}", 400),
        ("gzip", gzip.compress(b'{"reason": "r"}', mtime=0)[:-5], 400),
        ("gzip", gzip.compress(b" " * (64 << 20), mtime=0), 413),
        ("gzip", gzip.compress(b"", mtime=0) * 100, 400),
    ],
)
def test_codings_are_expanded_within_bounds_or_refused(here, coding, content, status):
    answer = here.post("/freeze", content=content, headers=JSON | {"content-encoding": coding})
    assert answer.status_code == status, answer.text
    refused(here, answer)


@pytest.mark.parametrize(
    "policy",
    [
        POLICY | {"name": "\ud800"}, POLICY | {"rings": [POLICY["rings"][0] | {"name": "\udfff"}, POLICY["rings"][1]]},
        POLICY | {"name": "x" * 100}, POLICY | {"heartbeat": "9" * 5000 + "d"}, POLICY | {"heartbeat": 10**400},
        POLICY | {"kind": "\udfff"}, POLICY | {"schema": None}, {"\ud800": 1}, {},
    ],
)  # fmt: skip
def test_no_policy_like_this_is_stored_or_started(here, policy):
    before = kept(here.store)
    content = json.dumps(policy).encode()
    refused(here, here.post("/policies", content=content, headers=JSON))
    refused(here, here.post("/policies", content=b"a: &a [*a]\n" + content, headers={"content-type": "text/yaml"}))
    start = json.dumps({"release": "sensor/8", "policy": policy, "reason": "r"}).encode()
    refused(here, here.post("/rollouts", content=start, headers=JSON))
    assert here.post("/policies/lint", content=content, headers=JSON).status_code < 500
    assert kept(here.store) == before


@pytest.mark.parametrize(
    "name", ["a%00b", "%ff", "..%2f..%2fetc", "%ed%a0%80", "x" * 5000, "%0d%0aset-cookie:a", "'--", "%F0%9F%92%A3"]
)
def test_no_name_in_a_path_or_query_is_more_than_a_name(here, name):
    before = kept(here.store)
    for method in ("get", "post", "delete"):
        for path, operation in routes(here, method):
            if "{" in path or here.rollout in path or "h-00001" in path or path.endswith("/x"):
                named = path.replace("{counter}", "8")
                for known in (here.rollout, "h-00001", "{product}", "x"):
                    named = named.replace(f"/{known}", f"/{name}")
                refused(
                    here, here.call(method.upper(), named, content=b'{"reason": "r"}' if method == "post" else None)
                )
            for query in operation.get("parameters", []):
                if query["in"] == "query":
                    assert here.get_status(f"{path}?{query['name']}={name}") < 500
    assert kept(here.store) == before


def test_nul_in_a_name_never_reaches_the_store(here):
    for path in ("/rollouts/a%00b", "/hosts?ring=%00", "/hosts/%00"):
        answer = here.call("GET", path)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:rollout:problem:not-found")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "HEAD", "PROPFIND", "DELETE"])
def test_other_methods_are_405_everywhere(here, method):
    for path, _ in routes(here, "post"):
        answer = here.call(method, path)
        assert answer.status_code == 405, (path, answer.text)
    assert here.http.request(method, f"{here.url}/healthz").status_code == 405


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "\u00ff"])
def test_keys_of_any_form_are_taken_or_refused(here, key):
    for path, _ in routes(here, "post"):
        answer = here.post(path, content=b"[", headers=JSON | {"idempotency-key": key.encode("latin-1")})
        assert answer.status_code < 500


@pytest.mark.parametrize("field", ["Bearer", "Basic eDp5", "Bearer \u00ff\u00fe", "Bearer " + "x" * 5000, "x" * 9000])
def test_credentials_of_any_form_are_401(here, field):
    for method in ("get", "post"):
        for path, operation in routes(here, method):
            if "x-roles" in operation:
                answer = here.http.request(method, path, headers={"authorization": field.encode("latin-1")})
                assert answer.status_code == 401
                refused(here, answer)


def test_the_same_act_of_many_at_once_is_done_once(here):
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: here.post("/policies", POLICY | {"name": "at-once"}).status_code, range(16)))
        halted = list(pool.map(lambda _: here.post(f"/rollouts/{here.rollout}/halt").status_code, range(16)))
    assert set(made) <= {201, 409, 200}
    assert set(halted) == {200}
    names = [each["name"] for each in here.get("/policies")["policies"]]
    assert names.count("at-once") == 1
    kinds = [each["kind"] for each in here.get(f"/rollouts/{here.rollout}/decisions")["decisions"]]
    assert sum("halt" in kind for kind in kinds) == 1
