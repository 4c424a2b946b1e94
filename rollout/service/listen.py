"""How `serve` and `gateway` listen: one set-up of the HTTP server, and an end that is no accident."""

import signal
from collections.abc import Callable
from typing import Any, Final, Literal

import uvicorn

from rollout.adapters.settings import Endpoint

GRACE_SECONDS: Final = 2  # an open connection may not hold up the end
BACKLOG: Final = 4096
KEEP_ALIVE_SECONDS: Final = 75


def listen(app: Callable[..., Any], endpoint: Endpoint, loop: Literal["auto", "uvloop"] = "auto") -> int:
    """Serve an ASGI application until SIGTERM or SIGINT; 0 then, 1 where it could not start.

    Signals go unlogged and unanswered beyond that: what the caller closes afterwards is closed.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=endpoint.host,
            port=endpoint.port,
            loop=loop,
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_stopped)
    server.run()
    return 0 if server.started else 1


def _already_stopped(_number: int, _frame: object) -> None:
    """The server stops by its own handlers and raises the signal again at the end; by then all is done."""
