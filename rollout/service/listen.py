"""How `serve` and `gateway` listen: one set-up of the HTTP server, and an end that is no accident."""

import asyncio
import functools
import signal
import socket
from collections.abc import Callable
from typing import Any, Final, Literal

import uvicorn

from rollout.adapters.settings import Endpoint
from rollout.service.door.connection import Connection
from rollout.service.door.hall import Hall
from rollout.service.door.limits import Limits, affordable

GRACE_SECONDS: Final = 2  # an open connection may not hold up the end
BACKLOG: Final = 4096
KEEP_ALIVE_SECONDS: Final = 75
TICKS_PER_SWEEP: Final = 10  # the server ticks ten times a second


class Server(uvicorn.Server):
    """An HTTP server whose connections have limits."""

    def __init__(
        self,
        app: Callable[..., Any],
        endpoint: Endpoint,
        loop: Literal["auto", "uvloop"] = "auto",
        limits: Limits | None = None,
        ready: Callable[[str], None] | None = None,
    ) -> None:
        limits = limits or Limits()
        self.hall = Hall(limits, affordable(limits))
        config = uvicorn.Config(
            app,
            host=endpoint.host,
            port=endpoint.port,
            loop=loop,
            http=functools.partial(Connection, self.hall),  # type: ignore[arg-type]  # all that is asked of it is a call
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        super().__init__(config)
        self._endpoint = endpoint
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        if self._ready is not None and self.started:
            port: int = self.servers[0].sockets[0].getsockname()[1]
            self._ready(Endpoint(self._endpoint.host, port).url)

    async def on_tick(self, counter: int) -> bool:
        """Look after the connections once a second."""
        if counter % TICKS_PER_SWEEP == 0:
            self.hall.sweep(asyncio.get_running_loop().time())
        return await super().on_tick(counter)


def listen(
    app: Callable[..., Any],
    endpoint: Endpoint,
    ready: Callable[[str], None] | None,
    loop: Literal["auto", "uvloop"] = "auto",
) -> int:
    """Serve an ASGI application until SIGTERM or SIGINT; 0 then, 1 where it could not start.

    `ready` hears the URL once it listens. Signals go unlogged and unanswered beyond that: what the caller closes
    afterwards is closed.
    """
    server = Server(app, endpoint, loop, ready=ready)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_stopped)
    server.run()
    return 0 if server.started else 1


def _already_stopped(_number: int, _frame: object) -> None:
    """The server stops by its own handlers and raises the signal again at the end; by then all is done."""
