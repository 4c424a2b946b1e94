"""What faults of the surroundings (disk, clock, store) share: the stage they play on, and waiting."""

import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from typing import Any, Protocol
from urllib.parse import urlsplit


class Stage(Protocol):
    """A `rollout up` under test: its data folder, the URLs of its doors, and a seeded source of chance.

    `observed`: the store's URL for who looks on, where faults lie between the service and its store.
    """

    data: Path
    api: str
    gateway: str
    random: Random
    observed: str | None

    def pid(self, role: str) -> int:
        """Process id of up, serve, gateway, worker or temporal."""
        ...

    def wait(self, condition: Callable[[], Any], seconds: float) -> Any:
        """Wait until a condition holds; an error where it never did."""
        ...


def ready(stage: Stage) -> bool:
    """Whether the gateway would let hosts go, as far as it can see."""
    connection = HTTPConnection(urlsplit(stage.gateway).netloc, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def last(seconds: float) -> None:
    """Let a fault last: the one wait that is no wait for a condition."""
    time.sleep(seconds)
