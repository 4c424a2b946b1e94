"""Floods of one caller: of wrong proofs, and of good messages; others are served as before."""

import asyncio
from concurrent.futures import Future

import pytest

from rollout.errors import BusyError
from rollout.service.api.events import MOST_STREAMS
from rollout.service.door.patience import FREE, MOST_SOURCES, PER_SECOND, Patience, source_of
from rollout.service.gateway.gathering import Gathering, Work
from rollout.service.gateway.metrics import Metrics
from tests.service import api_world, gateway_world


class Watch:
    def __init__(self):
        self.now = 100.0

    def elapsed(self):
        return self.now


def worn(watch):
    patience = Patience(watch.elapsed)
    for number in range(FREE):
        patience.admit("a", number)
        patience.failed("a", number)
    return patience


def test_a_source_that_fails_too_often_is_sent_away_for_a_while_and_only_that_source():
    watch = Watch()
    patience = worn(watch)
    with pytest.raises(BusyError):
        patience.admit("a", "new")
    patience.admit("b", "new")
    watch.now += 2 / PER_SECOND
    patience.admit("a", "new")


def test_a_proof_that_held_is_never_held_up_until_it_fails():
    patience = Patience(Watch().elapsed)
    patience.proved("good")
    for number in range(FREE + 1):
        patience.failed("a", number)
    patience.admit("a", "good")
    patience.failed("a", "good")
    with pytest.raises(BusyError):
        patience.admit("a", "good")


def test_what_is_remembered_of_sources_is_bounded():
    patience = Patience(Watch().elapsed)
    for number in range(MOST_SOURCES + 10):
        patience.failed(number, "x")
    assert len(patience._failures) == MOST_SOURCES


def test_a_network_of_ipv6_addresses_is_one_source():
    assert source_of(("2001:db8::1", 1)) == source_of(("2001:db8::ffff:2", 2)) != source_of(("2001:db8:1::1", 1))
    assert source_of(("10.0.0.1", 1)) != source_of(("10.0.0.2", 1))
    assert source_of(None) == ""


class Held:
    """A store whose commits wait to be let go."""

    def __init__(self):
        self.futures = []

    def write(self, work):
        self.futures.append((work, Future()))
        return self.futures[-1][1]


def test_one_caller_holds_at_most_half_of_a_queue():
    async def scene():
        store = Held()
        work = Work("beats", lambda tx, rows: list(rows), list, 10, 100)
        queue = Gathering(store, work, Metrics())
        first = [asyncio.create_task(queue.put(list(range(25)), "flood")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await queue.put([1], "flood")
        other = asyncio.create_task(queue.put([7], "other"))
        running = asyncio.create_task(queue.run())
        while not all(task.done() for task in (*first, other)):
            for made, future in store.futures:
                if not future.done():
                    future.set_result(made(None))
            await asyncio.sleep(0)
        assert await other == [7]
        assert not queue._shares
        running.cancel()

    asyncio.run(scene())


@pytest.mark.slow
def test_a_flood_of_wrong_tokens_at_the_gateway_holds_up_neither_collector_nor_known_host(tmp_path):
    with gateway_world.world(tmp_path / "data") as here:
        known, new = here.fleet(2)
        assert here.signed(known, "/v1/beats", here.beat(known)).status_code == 202
        here.desk.patience = Patience(lambda: 0.0)  # in no time
        here.desk.patience.proved(
            here.desk.tokens.digest([(b"authorization", here.bearer()["authorization"].encode())])
        )
        told = [here.send("/v1/beats", {"beats": []}, here.bearer(f"x{n}")).status_code for n in range(FREE + 5)]
        assert told == [401] * FREE + [429] * 5
        for _ in range(FREE):  # in the name of a host that is known: counted apart, and its key stays known
            assert here.signed(known, "/v1/beats", b"{}", key=here.keys[new]).status_code == 401
        assert here.signed(known, "/v1/beats", b"{}", key=here.keys[new]).status_code == 429
        assert here.send("/v1/beats", here.beat(new)).status_code == 202
        assert here.signed(new, "/v1/beats", here.beat(new)).status_code == 429  # nobody knows it yet
        here.desk.patience = Patience(lambda: 0.0)
        assert here.signed(known, "/v1/beats", here.beat(known)).status_code == 202


@pytest.mark.slow
def test_a_flood_of_wrong_tokens_at_the_api_does_not_hold_up_a_halt(tmp_path):
    with api_world.world(tmp_path / "data") as here:
        here.fleet(20, running=1)
        here.add(1, 8)
        rollout = here.start(8)
        assert here.get(f"/rollouts/{rollout}", by="olga/operator")["state"]
        here.api.patience._elapsed = lambda: 0.0  # in no time
        for number in range(FREE + 1):
            answer = here.http.get("/rollouts", headers={"authorization": f"Bearer x{number}"})
            assert answer.status_code == (401 if number < FREE else 429)
        assert answer.headers["retry-after"] == "1"
        assert here.post(f"/rollouts/{rollout}/halt", by="olga/operator").status_code == 200
        assert here.call("GET", f"/rollouts/{rollout}/events", by="olga/operator").status_code == 200
        assert here.api.following["olga"] == 0
        here.api.following["olga"] = MOST_STREAMS
        assert here.call("GET", f"/rollouts/{rollout}/events", by="olga/operator").status_code == 429
