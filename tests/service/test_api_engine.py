"""The engine as the API sees it: every trouble is one error, within its budget."""

import asyncio
import os
import socket
import time
from datetime import timedelta

import pytest

from rollout.adapters.engine.pin import cache_home
from rollout.adapters.engine.resolve import find
from rollout.adapters.engine.server import running
from rollout.errors import UnreachableError
from rollout.service.api.engine import TemporalEngine

PAYLOAD = {"kind": "resume", "rollout": "r1", "ring": "", "revision": 1, "person": "ann", "reason": "x"}


@pytest.fixture
def deaf():
    """An address that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("where", ["nobody", "deaf", "unset"])
def test_an_engine_that_does_not_answer_is_unreachable_in_time(where, deaf):
    with socket.create_server(("127.0.0.1", 0)) as closing:
        refused = f"127.0.0.1:{closing.getsockname()[1]}"
    address = {"nobody": refused, "deaf": deaf, "unset": None}[where]
    engine = TemporalEngine(address, "rollout", timedelta(seconds=0.3))

    async def ask():
        for question in (engine.answers, lambda: engine.act("sensor", PAYLOAD)):
            begun = time.monotonic()
            with pytest.raises(UnreachableError) as refusal:
                await question()
            assert refusal.value.slug == "engine-unreachable"
            assert time.monotonic() - begun < 2

    asyncio.run(ask())


@pytest.mark.slow
def test_a_real_engine_answers_and_a_product_without_a_workflow_goes_nowhere(tmp_path):
    binary = find({**os.environ, "TEMPORAL_ADDRESS": ""}, cache_home())
    if binary is None:
        pytest.skip("no engine is installed: `rollout engine install`")

    async def ask(address):
        engine = TemporalEngine(address, "rollout")
        await engine.answers()
        with pytest.raises(UnreachableError, match="no workflow runs"):
            await engine.act("sensor", PAYLOAD)

    with running(binary.binary, tmp_path) as engine:
        asyncio.run(ask(engine.address))
