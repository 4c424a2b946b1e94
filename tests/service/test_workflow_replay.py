"""Recorded histories: this code gives the same commands, with the same arguments, as when they were recorded."""

import asyncio
import base64
import json
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import (
    Interceptor,
    Replayer,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)

from workflows.driver_rollout import DriverRollout
from workflows.rollback import Rollback

HISTORIES = Path(__file__).parents[1] / "histories"
NAMES = ("completed", "approved", "halted", "tripped", "rollback")
Calls = list[tuple[str, list[Any]]]


class Recorder(Interceptor):
    """Notes every activity that a workflow asks for: name and arguments, as plain values."""

    def __init__(self) -> None:
        self.calls: Calls = []

    def workflow_interceptor_class(self, _: Any) -> type[WorkflowInboundInterceptor]:
        calls = self.calls

        class Outbound(WorkflowOutboundInterceptor):
            def start_activity(self, input: StartActivityInput) -> Any:  # noqa: A002 - the SDK's name
                calls.append((input.activity, [asdict(a) if is_dataclass(a) else a for a in input.args]))
                return super().start_activity(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

        return Inbound


def history(name: str) -> dict[str, Any]:
    return json.loads((HISTORIES / f"{name}.json").read_text(encoding="utf-8"))


def scheduled(name: str) -> Calls:
    """What the history says was asked for."""
    found = [event.get("activityTaskScheduledEventAttributes") for event in history(name)["events"]]
    return [
        (one["activityType"]["name"], [json.loads(base64.b64decode(p["data"])) for p in one["input"]["payloads"]])
        for one in found
        if one is not None
    ]


def replay(name: str, workflow: type = DriverRollout) -> Calls:
    recorder = Recorder()
    workflows = [Rollback] if name == "rollback" else [workflow]

    async def run() -> None:
        past = WorkflowHistory.from_json(name, history(name))
        replayer = Replayer(
            workflows=workflows, interceptors=[recorder], build_id="test"
        )  # the default hashes every module
        await replayer.replay_workflow(past)

    asyncio.run(run())
    return recorder.calls


@pytest.mark.parametrize("name", NAMES)
def test_recorded_histories_replay_with_the_same_activities_and_arguments(name):
    assert replay(name) == scheduled(name)


def test_the_recorded_stories_are_what_they_are_called():
    steps = {name: [called for called, _ in scheduled(name) if called != "await_edge"] for name in NAMES}
    ring = ["open_ring", "promote"]
    assert steps["completed"] == [*ring, *ring, *ring, "complete"]
    assert steps["approved"] == [*ring, "act", "act", *ring, *ring, "complete"]
    assert steps["halted"] == ["open_ring"]
    assert steps["tripped"] == ["open_ring"]
    assert steps["rollback"] == ["publish_back", "await_back"]
