"""The auditor's way: `rollout evidence ID`, then `rollout judge FILE`, against what is stored."""

import json
import os
import subprocess
import sys

from rollout.ports.judging import StoredJudgement
from tests.chaos.stage import Stage
from tests.chaos.violation import Violation

COMMAND = [sys.executable, "-P", "-m", "rollout.service.cli"]
SECONDS = 600.0  # no promise: patience with a machine that runs much else


def by_command_line(stored: StoredJudgement, stage: Stage, rollout: str) -> list[Violation]:
    """Judge the evidence of a rollout that is over, as anybody could, and compare."""
    file = stage.data.with_name("evidence.jsonl")
    token = str(stage.data / "admin.token")
    asked = [*COMMAND, "--url", stage.api, "--token-file", token, "evidence", rollout]
    file.write_bytes(
        subprocess.run(asked, capture_output=True, check=True, env=dict(os.environ), timeout=SECONDS).stdout
    )
    told = subprocess.run([*COMMAND, "judge", str(file), "--json"], capture_output=True, check=False, timeout=SECONDS)
    if told.returncode:
        return [Violation("evidence", f"`rollout judge` ends with {told.returncode}: {told.stderr.decode()[-300:]}")]
    found = json.loads(told.stdout)
    if (found["verdict"], found["window"]) == (stored.verdict, stored.window):
        return []
    seen = (
        f"stored {stored.verdict}, window {stored.window}; `rollout judge` says {found['verdict']}, {found['window']}"
    )
    return [Violation("evidence", seen)]
