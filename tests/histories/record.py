"""Record the histories that replay tests read: `python tests/histories/record.py`, with an engine installed.

To be run again when workflows change their commands on purpose. What names a machine is left out.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from temporalio.client import Client

sys.path.insert(0, str(Path(__file__).parents[2]))

from rollout.operation.stop import halt
from tests.service.workflow_world import APPROVAL, PRODUCT, World, policy, until, world

HERE = Path(__file__).parent
FORWARD = f"rollout-{PRODUCT}"


def completed(here: World) -> dict[str, str]:
    """Every ring, nobody asked."""
    rollout = here.start()
    here.until_state(rollout, "completed")
    return {"completed": FORWARD}


def approved(here: World) -> dict[str, str]:
    """The starter is refused, somebody else promotes the first ring."""
    rollout = here.start(policy(approval=APPROVAL))
    here.until_state(rollout, "awaiting-approval")
    here.act("approve", "ann")
    here.agree("approve", "bob")
    here.until_state(rollout, "completed")
    return {"approved": FORWARD}


def halted(here: World) -> dict[str, str]:
    """A person stops it in the middle of the first ring."""
    rollout = here.start()
    until(lambda: here.adoptions(rollout))
    here.write(lambda tx: halt(tx, rollout, "oscar", "enough"))
    return {"halted": FORWARD}


def tripped(here: World) -> dict[str, str]:
    """The judge stops it, and the way back ends."""
    here.fleet.fate = lambda _: "crash"
    rollout = here.start()
    here.until_state(rollout, "rolled-back")
    return {"tripped": FORWARD, "rollback": f"rollback-{rollout}"}


def main() -> None:
    """Run each story in a world of its own."""
    for story in (completed, approved, halted, tripped):
        with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as here:
            here.worker()
            _record(here, story)


def _record(here: World, story: Callable[[World], dict[str, str]]) -> None:
    for name, identity in story(here).items():
        until(lambda identity=identity: here.workflow(identity) == "COMPLETED")
        text = asyncio.run(_history(here, identity))
        (HERE / f"{name}.json").write_text(json.dumps(_nameless(json.loads(text)), indent=1) + "\n", encoding="utf-8")


async def _history(here: World, identity: str) -> str:
    client = await Client.connect(here.engine.engine.address, namespace=here.engine.engine.namespace)
    return (await client.get_workflow_handle(identity).fetch_history()).to_json()


def _nameless(value: Any) -> Any:
    """Without process and machine names (`pid@machine`)."""
    if isinstance(value, dict):
        return {key: _nameless(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_nameless(each) for each in value]
    return "worker" if isinstance(value, str) and "@" in value else value


if __name__ == "__main__":
    main()
