"""A control API that answers what it was told: the double of a remote, over real sockets."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RINGS = [
    {
        "name": "canary", "state": "promoted", "hosts": 100, "held_out": 0, "granted": 100, "confirmed": 99,
        "failed": 1, "dark": 0, "overdue": 0, "outstanding": 0, "window": 700,
    },
    {
        "name": "early", "state": "awaiting-approval", "hosts": 1000, "held_out": 0, "granted": 1000,
        "confirmed": 1000, "failed": 0, "dark": 0, "overdue": 0, "outstanding": 0, "window": 1700,
    },
    {
        "name": "rest", "state": "waiting", "hosts": 8498900, "held_out": 425000, "granted": 0, "confirmed": 0,
        "failed": 0, "dark": 0, "overdue": 0, "outstanding": 0, "window": 0,
    },
]  # fmt: skip
ROLLOUT = {
    "rollout": "sensor-3", "release": "sensor/12", "product": "sensor", "state": "running", "verdict": "healthy",
    "sentence": "Exposed hosts crash no more often than control.", "evidence_revision": 17, "data_age": 2.5,
    "rings": RINGS, "frozen": False, "started_by": "rita", "reason": "July content", "waiting": None,
    "e": {"halt": 0.42, "guards": {"crash": 0.3, "dark": 1.1}}, "ratio": {"low": 0.61, "high": 1.9},
}  # fmt: skip


def rollout(**changes):
    return {**ROLLOUT, **changes}


def problem(status, slug, detail):
    return status, {"type": f"urn:rollout:problem:{slug}", "title": slug, "status": status, "detail": detail}


@dataclass
class Api:
    """What to answer, by method and path (the last of a list again and again), and what was asked."""

    url: str = ""
    answers: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    heads: list = field(default_factory=list)

    def on(self, call, *answers):
        self.answers[call] = list(answers)

    def next(self, call):
        left = self.answers.get(call)
        if left is None:
            return problem(404, "not-found", f"nothing at {call}")
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def answering() -> Iterator[Api]:
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(None)

        def do_POST(self):
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        do_DELETE = do_GET  # noqa: N815 - the name that http.server calls

        def _answer(self, body):
            call = f"{self.command} {self.path.removeprefix('/api/v1')}"
            api.asked.append((call, body))
            api.heads.append(dict(self.headers))
            status, found = api.next(call)
            raw = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
