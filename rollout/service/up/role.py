"""Entry of a child of `up`: run one role with the settings of the environment.

The roles are imported when they are run: each process loads only its own.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import NoReturn

from rollout.adapters.settings import Settings

MAINS: Mapping[str, str] = {
    "serve": "rollout.service.api.process",
    "gateway": "rollout.service.gateway.process",
    "worker": "workflows.worker",
}


def main(role: str) -> NoReturn:
    """Run a role until it is told to end."""
    sys.exit(run(role))


def run(role: str, ready: Callable[[str], None] | None = None) -> int:
    """Run a role until it is told to end; its module has `main(settings, ready)`. `ready`: its URL, once it listens."""
    return int(import_module(MAINS[role]).main(Settings.from_environment(os.environ), ready))


def commands() -> Mapping[str, Sequence[str]]:
    """Return the command line of every role; -P: a `workflows` folder where `up` was started is not ours."""
    return {name: [sys.executable, "-P", "-m", "rollout.service.up.role", name] for name in MAINS}


if __name__ == "__main__":
    main(sys.argv[1])
