"""Many short lives of agents, as a program: each line on stdin is a host and the moment at which it dies.

A line is `{"state", "installer", "die_at", "start_is_boot"}`: one round of the agent in a process of its own, which is
killed at its n-th durable write (0: never). The answer is whether it was. One import serves all of them.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

from rollout.host.change import Patience
from rollout.host.run import Terms, run


def live(order: dict[str, object]) -> None:
    """Be the agent; a death leaves what a SIGKILL leaves."""
    written, sync = 0, os.fsync

    def deadly(descriptor: int) -> None:
        nonlocal written
        written += 1
        if written == order["die_at"]:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    os.fsync = deadly
    terms = Terms(str(order["installer"]), Patience(600.0, 3), start_is_boot=bool(order["start_is_boot"]))
    run(Path(str(order["state"])), terms, threading.Event(), lambda _line: None, once=True)


def main() -> None:
    """Answer line by line."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                live(json.loads(line))
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"killed": os.WIFSIGNALED(status), "code": status}), flush=True)


if __name__ == "__main__":
    main()
