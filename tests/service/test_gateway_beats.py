import gzip
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rollout.errors import SurroundingsError
from tests.service.gateway_world import until, world


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with world(tmp_path_factory.mktemp("gateway") / "data") as found:
        yield found


@pytest.fixture
def host(shared, request):
    name = f"h-{abs(hash(request.node.name)) % 10**9}"
    assert shared.enrol(name).status_code == 201
    return name


def kinds(shared, host):
    key = shared.store.read(lambda tx: tx.hosts.find(host).key)
    return [event.kind.value for event in shared.events() if event.host == key]


def test_a_signed_beat_is_taken_and_told_when_to_come_again(shared, host):
    answer = shared.signed(host, "/v1/beats", shared.beat(host))
    assert (answer.status_code, answer.json()) == (202, {"next_beat": 60})
    assert shared.presence(host).seq == 1
    assert kinds(shared, host) == ["joined"]


def test_a_replay_is_answered_and_changes_nothing(shared, host):
    beat = shared.beat(host)
    shared.signed(host, "/v1/beats", beat)
    before, heard = shared.presence(host), shared.store.read(lambda tx: tx.events.last_heard())
    assert shared.signed(host, "/v1/beats", beat | {"uptime": 999.0, "boot": "b9"}).status_code == 202
    assert shared.presence(host) == before
    assert shared.store.read(lambda tx: tx.events.last_heard()) == heard


def test_a_restart_another_release_sleep_and_waking_are_told_in_order(shared, host):
    for change in ({}, {"boot": "b2"}, {"running": {"sensor": 9}}, {"sleeping": True}, {}):
        shared.signed(host, "/v1/beats", shared.beat(host, boot="b2" if change != {} else "b1") | change)
    assert kinds(shared, host) == ["joined", "rebooted", "ran", "ran", "asleep", "rebooted", "awake"]


def test_sleep_announced_while_applying_is_not_believed(shared, host):
    shared.signed(host, "/v1/beats", shared.beat(host, sleeping=True, phase="applying"))
    assert shared.presence(host).absent == 0


NUMBER_TOO_LONG = pytest.param(f'"what": {"9" * 5_000}, "seq": 9', id="beside a number too long to read")


@pytest.mark.parametrize(
    "twin", ['"seq": 9', '"running": {"sensor": 9}', '"what": {"a": 1, "b": 2, "a": 3}', NUMBER_TOO_LONG]
)
def test_a_host_that_names_a_thing_twice_is_refused_and_nothing_is_kept(shared, host, twin):
    body = json.dumps(shared.beat(host)).encode()[:-1] + f", {twin}}}".encode()
    answer = shared.signed(host, "/v1/beats", body)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:rollout:problem:malformed")
    assert "twice" in answer.json()["detail"]
    assert shared.presence(host) is None


def test_a_batch_lists_unknown_hosts_and_keeps_the_others(shared, host):
    answer = shared.send("/v1/beats", {"beats": [shared.beat("nobody"), shared.beat(host)]})
    assert (answer.status_code, answer.json()["unknown"]) == (202, ["nobody"])
    assert shared.presence(host).seq == 1


def test_two_beats_of_one_host_in_a_batch_count_in_their_order(shared, host):
    first, second = shared.beat(host, boot="b1"), shared.beat(host, boot="b2")
    shared.send("/v1/beats", {"beats": [first, second, first]})
    assert (shared.presence(host).seq, kinds(shared, host)) == (2, ["joined", "rebooted"])


def test_a_retired_host_is_unknown_at_once(shared, host):
    shared.send("/v1/beats", shared.beat(host))
    shared.write(lambda tx: tx.hosts.retire(tx.hosts.find(host).key))
    assert shared.send("/v1/beats", shared.beat(host)).json()["unknown"] == [host]
    assert shared.signed(host, "/v1/beats", shared.beat(host)).status_code == 401


def test_the_old_key_is_worth_nothing_after_a_rekey(shared, host):
    assert shared.signed(host, "/v1/beats", shared.beat(host)).status_code == 202
    shared.write(lambda tx: tx.hosts.rekey(tx.hosts.find(host).key))
    assert shared.signed(host, "/v1/beats", shared.beat(host)).status_code == 401
    shared.keys[host] = Ed25519PrivateKey.generate()
    assert shared.enrol(host).status_code == 200
    assert shared.signed(host, "/v1/beats", shared.beat(host, seq=1)).status_code == 202


GOOD = {"host": "h", "boot": "b", "seq": 1, "uptime": 1.0, "running": {}, "phase": "idle"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"{}", b"\xff\xfe", b"\xef\xbb\xbf{}", b'{"beats": {}}', b'{"beats": [1]}',
        GOOD | {"seq": True}, GOOD | {"seq": 1.0}, GOOD | {"seq": -1}, GOOD | {"seq": 2**63}, GOOD | {"seq": "1"},
        GOOD | {"uptime": -1}, GOOD | {"uptime": False}, GOOD | {"uptime": float("nan")},
        GOOD | {"uptime": float("inf")},
        GOOD | {"running": {"P": 1}}, GOOD | {"running": {"p": -1}}, GOOD | {"running": {"p": 1.5}},
        GOOD | {"running": []},
        GOOD | {"phase": "dancing"}, GOOD | {"phase": None}, GOOD | {"sleeping": 1}, GOOD | {"adoption": 5},
        GOOD | {"host": ""}, GOOD | {"host": "../x"}, GOOD | {"host": "h" * 65}, GOOD | {"host": "ü"},
        GOOD | {"host": None},
        GOOD | {"measures": []}, GOOD | {"measures": 5}, GOOD | {"measures": {"cpu": "1"}},
        GOOD | {"measures": {"cpu": None}}, GOOD | {"measures": {"cpu": True}}, GOOD | {"measures": {"cpu": [1]}},
        GOOD | {"measures": {"cpu": float("nan")}}, GOOD | {"measures": {"cpu": float("inf")}},
        GOOD | {"measures": {"cpu": 1e16}}, GOOD | {"measures": {"cpu": -1e300}},
        json.dumps(GOOD | {"measures": {"cpu": 1}}).replace('"cpu": 1', '"cpu": 1e999').encode(),
        GOOD | {"measures": {"CPU": 1}}, GOOD | {"measures": {"": 1}}, GOOD | {"measures": {"c p": 1}},
        GOOD | {"measures": {"c" * 64: 1}}, GOOD | {"measures": {f"m{i}": 1 for i in range(17)}},
        GOOD | {"boot": "\u0000"}, b'{"host": "\\ud800"}', b'{"x": ' + b"[" * 33 + b"]" * 33 + b"}",
        b'{"x": ' + b"[" * 90_000, json.dumps(GOOD).encode() + b"x",
    ],
)  # fmt: skip
def test_a_malformed_beat_is_refused_and_nothing_of_its_batch_is_kept(shared, host, body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    batch = b'{"beats": [' + json.dumps(shared.beat(host)).encode() + b"," + raw + b"]}"
    for sent in (raw, batch):
        answer = shared.send("/v1/beats", sent)
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"].startswith("urn:rollout:problem:")
    assert shared.presence(host) is None


def test_unknown_fields_are_ignored_down_to_32_levels(shared, host):
    beat = json.dumps(shared.beat(host))[:-1].encode() + b', "news": ' + b"[" * 31 + b'"{[{["' + b"]" * 31 + b"}"
    assert shared.send("/v1/beats", beat).status_code == 202


def test_alternating_brackets_count_one_level_each(shared):
    assert shared.send("/v1/beats", b'{"x":' + b'[{"x":' * 16 + b"1" + b"}]" * 16 + b"}").status_code == 400


def test_bodies_too_large_are_413_before_and_after_decompression(shared, host):
    fat = json.dumps(shared.beat(host) | {"pad": " " * 70_000}).encode()
    assert shared.signed(host, "/v1/beats", fat).status_code == 413
    assert shared.signed(host, "/v1/beats", fat, zipped=True).status_code == 413
    assert shared.send("/v1/beats", b" " * (1024 * 1024 + 1)).status_code == 413
    bomb = gzip.compress(b"[" + b" " * (9 * 1024 * 1024) + b"]")
    assert shared.send("/v1/beats", bomb, shared.bearer() | {"content-encoding": "gzip"}).status_code == 413
    rows = [shared.beat(host) for _ in range(10_001)]
    zipped = gzip.compress(json.dumps({"beats": rows}).encode())
    assert shared.send("/v1/beats", zipped, shared.bearer() | {"content-encoding": "gzip"}).status_code == 413


def test_codings_are_gzip_or_nothing_and_whole(shared, host):
    zipped = gzip.compress(json.dumps(shared.beat(host)).encode())
    for coding, body, status in (
        ("br", zipped, 415), ("gzip", zipped[:-9], 400), ("gzip", b"plain", 400), ("gzip", zipped + b"tail", 400),
        ("gzip", zipped, 202),
    ):  # fmt: skip
        assert shared.send("/v1/beats", body, shared.bearer() | {"content-encoding": coding}).status_code == status


def test_who_may_not_speak(shared, host):
    beat = shared.beat(host)
    assert shared.send("/v1/beats", beat, {}).status_code == 401
    assert shared.send("/v1/beats", beat, shared.bearer("wrong")).status_code == 401
    assert shared.send("/v1/beats", beat, shared.bearer(shared.token("collector", ttl=-1))).status_code == 401
    assert shared.send("/v1/beats", beat, shared.bearer(shared.token("viewer"))).status_code == 403
    assert shared.signed(host, "/v1/beats", beat, skew=-301).status_code == 401
    assert shared.signed(host, "/v1/beats", beat, key=Ed25519PrivateKey.generate()).status_code == 401
    assert shared.signed("stranger", "/v1/beats", beat, key=Ed25519PrivateKey.generate()).status_code == 401
    assert shared.signed(host, "/v1/beats", shared.beat("another")).status_code == 403
    assert shared.http.get("/v1/beats").status_code == 405
    assert shared.presence(host) is None


def test_2xx_comes_after_the_commit_and_503_when_the_queue_is_full(shared, host, monkeypatch):
    other = "h-waiting"
    shared.enrol(other)
    monkeypatch.setattr(shared.desk.beats, "_work", shared.desk.beats._work.__class__(
        "beats", shared.desk.beats._work.record, shared.desk.beats._work.answers, 2_000, 1))  # fmt: skip
    gate, begun = threading.Event(), threading.Event()

    def hold(_tx):
        begun.set()
        gate.wait(10)

    held = shared.store.write(hold)
    begun.wait(10)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(shared.signed, host, "/v1/beats", shared.beat(host))
        until(lambda: shared.desk.beats.is_full)
        refused = shared.signed(other, "/v1/beats", shared.beat(other))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert shared.presence(host) is None
        assert not answer.done()
        gate.set()
        held.result(10)
        assert answer.result(10).status_code == 202
    assert shared.presence(host).seq == 1
    assert shared.presence(other) is None


def test_a_store_that_fails_is_503_and_the_gateway_goes_on(shared, host, monkeypatch):
    def fail(_work):
        raise SurroundingsError("the disk is full", slug="store")

    with monkeypatch.context() as patch:
        patch.setattr(shared.store, "write", fail)
        assert shared.signed(host, "/v1/beats", shared.beat(host)).status_code == 503
    assert shared.signed(host, "/v1/beats", shared.beat(host)).status_code == 202


def test_health_readiness_and_metrics(shared):
    assert shared.http.get("/healthz").status_code == 200
    for _ in range(2):
        shared.write(lambda tx: [tx.beacons.move(name, "w") for name in ("engine", "lease-loop")])
        seen = shared.store.read(lambda tx: tx.beacons.all()["engine"][2])
        until(lambda seen=seen: (s := shared.desk.freshness._seen.get("engine")) is not None and s.counter >= seen)
    assert shared.http.get("/readyz").json() == {"ready": True, "missing": []}
    text = shared.http.get("/metrics").text
    assert "rollout_gateway_beats_total" in text
    assert 'rollout_gateway_rejected_total{reason="too-large"}' in text


def test_metadata_and_packages_are_files_and_nothing_else_is(shared):
    data = shared.desk.settings.data
    for path, content in (
        ("metadata/director/canary/timestamp.json", b"{}"), ("metadata/image/3.targets.json", b"{3}"),
        (f"targets/sensor/8/{'b' * 64}.zip", b"zip"), ("targets/rings/sensor/1.json", b""),
    ):  # fmt: skip
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_bytes(content)
        answer = shared.http.get(f"/{path}")
        assert (answer.status_code, answer.content) == (200, content)
        assert ("immutable" in answer.headers["cache-control"]) == ("timestamp" not in path)
    for path in ("metadata/director/canary/..%2f..%2fx.json", "targets/..%2f..%2fkeys/token.key", "targets/keys", "x"):
        assert shared.http.get(f"/{path}").status_code == 404
