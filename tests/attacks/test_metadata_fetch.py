"""A server that is slow, silent, elsewhere, or sends too much: refused in time, never waited for."""

import importlib.metadata
import socket
import time

import pytest

from rollout.directive.refusal import RefusedError
from rollout.host.budget import Budget
from rollout.host.check import check
from rollout.host.fetch import CAPS, is_loopback, pinned
from tests.attacks.metadata_world import NOW, RING, World, later, served


@pytest.fixture
def world(tmp_path):
    with served() as site:
        yield World(tmp_path, site)


DIRECTOR = f"director/{RING}/"


@pytest.mark.parametrize("name", [f"{DIRECTOR}timestamp.json", f"{DIRECTOR}2.root.json", "image/2.targets.json"])
@pytest.mark.parametrize("status", [302, 403, 500, 206])
def test_redirects_and_http_errors_are_refused_everywhere(world, name, status):
    def answer(handler):
        handler.send_response(status)
        handler.send_header("Location", f"{world.site.url}{DIRECTOR}timestamp.json")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    world.site.acts[name] = answer
    assert world.code() == "fetch"


@pytest.mark.parametrize("name", [f"{DIRECTOR}timestamp.json", "image/timestamp.json", "image/2.snapshot.json"])
def test_a_missing_file_is_no_end_of_a_root_chain(world, name):
    del world.site.files[name]
    assert world.code() == "fetch"


@pytest.mark.parametrize(
    ("name", "role"),
    [
        (f"{DIRECTOR}timestamp.json", "timestamp"),
        (f"{DIRECTOR}2.root.json", "root"),
        (f"{DIRECTOR}2.snapshot.json", "snapshot"),
        ("image/2.targets.json", "targets"),
    ],
)
def test_more_than_the_cap_is_refused(world, name, role):
    world.site.files[name] = b" " * (CAPS[role] + 1)
    assert world.code() == "fetch"


def test_a_length_signed_above_the_cap_does_not_lift_it(world):
    def grow(part):
        part.snapshot_meta.length = 2 * CAPS["snapshot"]
        part.snapshot_meta.hashes = None

    world.serve("director", {"timestamp.json": world.resigned("timestamp.json", grow)})
    world.site.files[f"{DIRECTOR}2.snapshot.json"] = b" " * (2 * CAPS["snapshot"])
    assert world.code() == "fetch"


def test_a_refused_connection_is_refused(world):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        assert check(world.state, url, world.site.url, RING, NOW).refused == "fetch"


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/",
        "http://127.0.0.1.example/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1/?x=1",
        "http://127.0.0.1/#x",
        "ftp://127.0.0.1/",
        "file:///etc/",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "",
    ],
)
def test_plain_http_and_odd_urls_are_refused_before_anything_is_sent(url):
    with pytest.raises(RefusedError) as refused:
        pinned(url)
    assert refused.value.code == "fetch"


def test_this_machine_has_many_names():
    assert [
        pinned(url) for url in ("http://127.9.9.9:1/x", "http://[::1]/", "http://localhost", "https://a.example/d/")
    ]
    assert not is_loopback("https://a.example/")


def test_a_budget_forgives_waits_that_bytes_pay_for():
    now = 0.0
    budget = Budget(lambda: now, whole=30, stalled=6)

    def receive(count):
        def act(_):
            nonlocal now
            now += 5
            return b"x" * count

        return act

    budget.wait(receive(5 * 4096), len)
    assert budget.left() == 6
    budget.wait(receive(0), len)
    assert budget.left() == 1
    budget.wait(receive(0), len)
    with pytest.raises(TimeoutError):
        budget.left()


def spent(world):
    began = time.monotonic()
    assert world.code() == "fetch"
    return time.monotonic() - began


@pytest.mark.slow
def test_a_silent_server_is_left_within_ten_seconds(world):
    world.site.acts[f"{DIRECTOR}timestamp.json"] = lambda handler: handler.rfile.read(1)
    assert spent(world) < 9


@pytest.mark.slow
@pytest.mark.parametrize("where", ["header", "body"])
def test_a_dripping_server_is_left_within_ten_seconds(world, where):
    def drip(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: " if where == "header" else b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                handler.wfile.write(b" ")
                time.sleep(0.2)  # the attack itself
        except OSError:
            handler.close_connection = True

    world.site.acts["image/timestamp.json"] = drip
    assert spent(world) < 9


def test_the_host_lives_at_the_time_it_is_told(world):
    far = later(days=300)
    assert world.code(now=far) == "lease-over"
    world.renew(far)
    assert world.code(now=far) == "metadata"  # the Image's 90 days are over then


def test_the_clients_time_is_set_on_the_version_of_tuf_it_was_read_in():
    assert importlib.metadata.version("tuf") == "7.0.1"
