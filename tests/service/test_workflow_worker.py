"""The worker as the process it is: killed, taken over, told to stop."""

import signal
import socket

import httpx
import pytest

from tests.service.workflow_world import terminate, until, world

pytestmark = pytest.mark.slow


@pytest.fixture
def here(tmp_path):
    with world(tmp_path) as found:
        yield found


@pytest.fixture
def process(here):
    started = []

    def start(port=0):
        started.append(here.process(port))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def test_another_worker_takes_over_from_a_killed_one(here, process):
    first = process()
    rollout = here.start()
    until(lambda: here.adoptions(rollout), what="an adoption")
    second = process()
    terminate(first, signal.SIGKILL)
    until(lambda: here.rings(rollout)["early"] != "waiting", what="the next ring")
    assert second.poll() is None


def test_a_worker_told_to_stop_ends_within_five_seconds_and_shows_its_metrics_until_then(here, process):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    worker = process(port)
    rollout = here.start()
    until(lambda: here.adoptions(rollout), what="an adoption")
    with httpx.Client(trust_env=False) as client:
        shown = client.get(f"http://127.0.0.1:{port}/metrics").text
    assert "rollout_engine_up 1.0" in shown
    assert "rollout_workflow_starts" in shown
    assert terminate(worker) < 5
    assert worker.returncode == 0


def test_a_worker_told_to_stop_ends_within_five_seconds_though_its_engine_is_dead(here, process):
    worker = process()
    rollout = here.start()
    until(lambda: here.adoptions(rollout), what="an adoption")
    here.engine.kill()
    assert terminate(worker) < 5
    assert worker.returncode == 0


def test_a_worker_whose_port_is_taken_says_so(here, process):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        worker = process(taken.getsockname()[1])
        assert worker.wait(60) != 0
    assert "cannot listen on" in (here.data / "worker.log").read_text()
