"""What a gateway remembers of a commit that failed."""

import threading

import pytest

from rollout.adapters.clock import SystemClock
from rollout.ports.host import HostRecord
from tests.service.gateway_world import ATTRIBUTES, PRODUCT, until, world


class StandingClock(SystemClock):
    """No time passes, so that everything that waits shares one commit."""

    def elapsed(self):
        return 0.0


@pytest.fixture
def here(tmp_path):
    with world(tmp_path / "data", StandingClock()) as found:
        yield found


def enrolled(name):
    return lambda tx: tx.hosts.enrol(HostRecord(0, name, "ed25519", b"k" * 32, ATTRIBUTES, "laptop", tx.at))


def explode(_tx):
    raise ZeroDivisionError("a defect in somebody else's work")


def test_a_key_that_was_read_in_a_failed_commit_is_never_another_hosts(here):
    gate = threading.Event()
    here.store.write(lambda _: gate.wait(10))
    here.store.write(enrolled("first"))
    sending = threading.Thread(target=here.send, args=("/v1/beats", here.beat("first")))
    sending.start()
    until(lambda: here.store.waiting >= 2)
    here.store.write(explode)
    gate.set()
    sending.join()
    here.write(enrolled("second"))
    answer = here.send("/v1/beats", {"beats": [here.beat("first", running={PRODUCT: 99})]})
    assert answer.json()["unknown"] == ["first"]
    assert here.presence("second") is None
