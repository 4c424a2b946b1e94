"""Callers that write bytes of their own: floods, silence, dripping, deafness, and what is no HTTP at all."""

import time
from contextlib import suppress
from dataclasses import replace

import pytest

from rollout.service.door.limits import Limits
from tests.attacks.door_world import door, problem, rest, status
from tests.service.gateway_world import until

pytestmark = pytest.mark.slow
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\n"
SHORT = replace(Limits(), head_seconds=0.5, body_seconds=0.5, read_seconds=0.5, body_rate=1 << 24)


@pytest.fixture(scope="module")
def here():
    with door() as found:
        yield found


@pytest.fixture(scope="module")
def hasty():
    with door(SHORT) as found:
        yield found


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GE T / HTTP/1.1\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: a\x00b\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
        POST + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"content-length: -5\r\n\r\nhello",
        POST + b"content-length: 99999999999999999999999\r\n\r\nhello",
        POST + b"transfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello\r\n",
        POST + b"transfer-encoding: gzip\r\n\r\nhello",
    ],
)
def test_what_is_no_http_is_a_problem_document_and_the_end(said, here):
    found = problem(here.say(said))
    assert found["status"] == 400
    assert found["type"] == "urn:rollout:problem:malformed"


@pytest.mark.parametrize(
    "said",
    [
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 101 + b"\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 8_000_000,
        b"GET /" + b"a" * 8_000_000,
        POST + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: " + b"a" * 8_000_000,
        POST + b"transfer-encoding: chunked\r\n\r\n1;x=" + b"a" * 8_000_000,
    ],
)
def test_a_head_or_trailer_without_end_is_refused_early(said, here):
    found = problem(here.say(*(said[at : at + 65536] for at in range(0, len(said), 65536))))
    assert found["status"] == 431


def test_trailers_never_become_fields_of_the_head(here):
    said = POST + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nauthorization: x\r\n\r\n"
    assert here.say(said).endswith(b"2")


def test_pipelined_requests_are_answered_in_order_and_a_flood_of_them_is_ended(here):
    made = here.connect()
    made.sendall(GET * 3)
    until(lambda: made.recv(65536, 2).count(b"200 OK") == 3)  # MSG_PEEK
    made.close()
    here.seen.clear()
    with suppress(ConnectionError, TimeoutError):
        here.say(GET * 200_000)
    assert len(here.seen) < 1_000


def test_garbage_behind_a_good_request_does_not_take_its_answer_away(here):
    answer = here.say(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n\x00garbage")
    assert status(answer) == 200
    assert b"400" not in answer.split(b"\r\n\r\n")[0]


def test_another_protocol_is_not_spoken_but_the_request_is_answered(here):
    answer = here.say(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\x81\x05hello")
    assert status(answer) == 200


@pytest.mark.parametrize(
    "said",
    [b"", b"G", b"GET / HTTP/1.1\r\nx: ", POST + b"content-length: 100\r\n\r\nabc",
     POST + b"transfer-encoding: chunked\r\n\r\n5\r\nab"],
)  # fmt: skip
def test_a_caller_that_stops_in_the_middle_is_dropped(said, hasty):
    answer = hasty.say(said)
    assert answer == b"" if not said else problem(answer)["status"] == 408


def test_a_caller_that_drips_is_dropped_as_well(hasty):
    for said in (b"GET / HTTP/1.1\r\nx: ", POST + b"content-length: 100000\r\n\r\n"):
        with hasty.connect() as made:
            made.sendall(said)
            answer, deadline = b"", time.monotonic() + 20
            while not answer:
                assert time.monotonic() < deadline
                made.sendall(b"a")
                made.settimeout(0.05)
                try:
                    answer = made.recv(65536)
                except TimeoutError:
                    continue
            assert status(answer) == 408


def test_a_caller_that_does_not_read_is_dropped(hasty):
    with hasty.connect() as made:
        made.setsockopt(1, 8, 4096)  # SO_RCVBUF
        made.sendall(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n" * 8)
        until(lambda: hasty.server.hall.deaf)
        until(lambda: not hasty.server.hall.guests)


def test_a_slow_answer_is_no_fault_of_the_caller(hasty):
    with hasty.connect() as made:
        made.sendall(b"GET /held HTTP/1.1\r\nhost: x\r\n\r\n")
        until(lambda: "/held" in hasty.seen)
        swept = time.monotonic() + 2.5  # several sweeps beyond every limit
        until(lambda: time.monotonic() > swept)
        hasty.held.set()
        assert made.recv(65536).startswith(b"HTTP/1.1 200")


def test_when_all_places_are_taken_the_longest_silent_caller_goes():
    with door(replace(Limits(), connections=20)) as found:
        silent = [found.connect() for _ in range(20)]
        until(lambda: len(found.server.hall.guests) == 20)
        with found.connect() as newcomer:
            newcomer.sendall(GET)
            assert newcomer.recv(65536).startswith(b"HTTP/1.1 200")
            assert rest(silent[0]) == b""
            silent[1].sendall(GET)
            assert silent[1].recv(65536).startswith(b"HTTP/1.1 200")
        for each in silent:
            each.close()


def test_where_every_connection_is_being_served_a_newcomer_hears_when_to_come_back():
    with door(replace(Limits(), connections=20)) as found:
        busy = [found.connect() for _ in range(20)]
        for each in busy:
            each.sendall(b"GET /held HTTP/1.1\r\nhost: x\r\n\r\n")
        until(lambda: len(found.seen) == 20)
        answer = found.say()
        assert problem(answer)["status"] == 503
        assert b"\r\nRetry-After: 1\r\n" in answer
        found.held.set()
        for each in busy:
            assert each.recv(65536).startswith(b"HTTP/1.1 200")
            each.close()


def test_the_silent_and_the_half_said_do_not_hold_up_the_end():
    with door() as found:
        said = [b"", b"GET /", POST + b"content-length: 9\r\n\r\na", GET]
        kept = [found.connect() for _ in range(40)]
        for number, each in enumerate(kept):
            each.sendall(said[number % 4])
        until(lambda: len(found.seen) == 20)
    assert [rest(each).count(b"200 OK") for each in kept[3::4]] == [1] * 10  # and `door` joined its thread
    for each in kept:
        each.close()
