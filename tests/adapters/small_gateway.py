"""A gateway small enough to read: it obeys INTERFACES section 1 as far as a swarm can tell, and remembers."""

import asyncio
import gzip
import hashlib
import json

from rollout.adapters.clock import SystemClock
from rollout.adapters.signature.claim import parse
from rollout.adapters.signature.key import decode, public_key

PACKAGE = b"the candidate's bytes"
SHA256 = hashlib.sha256(PACKAGE).hexdigest()
CLOCK = SystemClock()


class Gateway:
    """Enough of the host protocol: who speaks, what they run, one window."""

    def __init__(self, window=10_000):
        self.keys, self.seqs, self.beats, self.open = {}, {}, {}, {}
        self.reports, self.bad, self.window, self.halted = {}, [], window, False
        self.refuse_beats, self.valid = 0, 60
        self.package, self.files = PACKAGE, {}

    async def handle(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().strip().split("\r\n")
                method, path, _ = first.split(" ")
                headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status, answer, *more = self.answer(method, path, headers, body)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                extra = "".join(f"{line}\r\n" for line in more)
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(data)}\r\n{extra}\r\n".encode() + data)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, method, path, headers, body):
        if path in self.files:
            return 200, self.files[path]
        if path.startswith("/targets/"):
            return 200, self.package
        if path.startswith("/metadata/"):
            return 404, {}
        if path == "/v1/beats":
            return self.take_beats(headers, body)
        claim, message = parse(headers), json.loads(body)
        if path == "/v1/hosts":
            assert headers["authorization"] == "Bearer enrol"
            self.keys[message["host"]] = public_key(decode(message["public_key"]))
        claim.check(self.keys[claim.keyid], method, path, body, CLOCK.now())
        assert claim.keyid == message["host"]
        if path == "/v1/hosts":
            return 201, {
                "host": claim.keyid,
                "stratum": "s",
                "heartbeat": 1,
                "rings": {},
                "director": "/",
                "image": "/",
            }
        return self.question(message) if path == "/v1/adoptions" else self.crash(message)

    def take_beats(self, headers, body):
        assert headers["authorization"] == "Bearer collect"
        if self.refuse_beats:
            self.refuse_beats -= 1
            return 503, {}, "retry-after: 0"
        rows = json.loads(gzip.decompress(body))["beats"]
        for beat in rows:
            if beat["seq"] <= self.seqs.get(beat["host"], 0):
                self.bad.append(beat)
            self.seqs[beat["host"]] = beat["seq"]
            self.beats[beat["host"]] = beat
        return 202, {"next_beat": 1, "rings": {}, "unknown": []}

    def question(self, message):
        if self.halted:
            return 200, {"answer": "no", "reason": "halted"}
        if message["host"] not in self.open and len(self.open) >= self.window:
            return 200, {"answer": "wait", "retry_after": 0.2}
        adoption = self.open.setdefault(message["host"], f"a-{message['host']}")
        return 200, {"answer": "go", "adoption": adoption, "valid": self.valid}

    def crash(self, message):
        self.reports[message["report"]] = message
        return 202, {}
