"""What people and CI do before and during a rollout, over the control API: tokens, releases, start, look.

Every call blocks for a round trip and runs in a thread, so that the fleet goes on beating meanwhile.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rollout.crash.identity import ImageIdentity
from rollout.release.build import Draft, build
from rollout.service.cli.client import Client, segment
from rollout.service.cli.server import Server
from rollout.service.demo.local import Places

INTERPRETER = ImageIdentity("sensor.sys", 0x6A3F10C2, 0x1B2000, 0x1AF3C1)
"""The driver that reads the content, and that a dump of a crash by bad content blames."""
TOKEN_LIFE = "1d"  # noqa: S105 - how long it lives, no token


@dataclass(frozen=True, slots=True)
class Happening:
    """One row of the audit: when (Unix seconds), what, and its facts."""

    seq: int
    at: float
    kind: str
    detail: Mapping[str, Any]


class Operator:
    """The person `admin` at the control API; raises what the API refuses."""

    def __init__(self, places: Places) -> None:
        self._client = Client(Server(places.api, places.admin_token, "the demonstration's own service"))

    async def token(self, role: str) -> str:
        """Make a token for the fleet."""
        body = {"role": role, "name": f"demo {role}", "ttl": TOKEN_LIFE}
        return str((await asyncio.to_thread(self._client.post, "/tokens", body)).document["token"])

    async def engine_page(self) -> str | None:
        """Return the URL of the engine's own page, the view for debugging; None where the service does not know it."""
        found = await asyncio.to_thread(self._client.get, "/version")
        return found.get("temporal_ui") or None

    async def add_release(self, product: str, counter: int, folder: Path) -> None:
        """Build a content package and add it."""
        draft = Draft(product, counter, f"{counter}.0", "content", builds=(INTERPRETER,))
        package = folder / f"{product}-{counter}.zip"
        package.write_bytes(build(draft, {"content.bin": f"{product}, content of release {counter}\n".encode() * 64}))
        await asyncio.to_thread(self._client.upload, "/releases", package, "application/zip")

    async def start(self, release: str, policy: Mapping[str, Any], reason: str) -> str:
        """Start a rollout; its id."""
        body = {"release": release, "policy": dict(policy), "reason": reason}
        return str((await asyncio.to_thread(self._client.post, "/rollouts", body)).document["rollout"])

    async def look(self, rollout: str) -> dict[str, Any]:
        """Return the rollout's document."""
        return await asyncio.to_thread(self._client.get, f"/rollouts/{segment(rollout)}")

    async def decisions(self, rollout: str) -> Sequence[Happening]:
        """Return the rollout's audit rows, oldest first."""
        found = await asyncio.to_thread(self._client.get, f"/rollouts/{segment(rollout)}/decisions")
        return [_happening(row) for row in found["decisions"]]

    async def first_failed(self, rollout: str) -> float | None:
        """Return when the first adoption was counted as failed, in seconds since the rollout began."""
        return await asyncio.to_thread(self._first_failed, rollout)

    def _first_failed(self, rollout: str) -> float | None:
        for line in self._client.lines(f"/rollouts/{segment(rollout)}/evidence"):
            row = json.loads(line) if line else {}
            if row.get("adoption") == "failed":
                return float(row["at"])
        return None


def crash_module() -> dict[str, Any]:
    """Return `module` of a crash report that blames the interpreter (INTERFACES section 1.5)."""
    image = INTERPRETER
    facts = {"timestamp": image.timestamp, "size": image.size, "checksum": image.checksum}
    return {"name": image.name, **facts, "offset": "0x334c"}


def _happening(row: Mapping[str, Any]) -> Happening:
    at = datetime.fromisoformat(str(row["at"])).timestamp()
    return Happening(int(row["seq"]), at, str(row["kind"]), row)
