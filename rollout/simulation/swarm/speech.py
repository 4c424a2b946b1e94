"""A host's own signed messages: enrolment, questions, crash reports."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from rollout.adapters.clock import SystemClock
from rollout.adapters.signature.signer import public_text, sign
from rollout.errors import ForbiddenError, UnreachableError
from rollout.host.messages import Enrolled, enrolment, question
from rollout.simulation.swarm.client import Client
from rollout.simulation.swarm.connection import Answer
from rollout.simulation.swarm.directives import Directed
from rollout.simulation.swarm.fleet import Member
from rollout.simulation.swarm.life import Crash


class Speech:
    """Signs with the host's key and posts; all raise UnreachableError where no answer comes."""

    def __init__(self, client: Client, enrol_token: str, module: dict[str, Any] | None) -> None:
        self._client = client
        self._bearer = {"authorization": f"Bearer {enrol_token}"}
        self._module = module
        self._clock = SystemClock()

    async def enrol(self, member: Member) -> Enrolled:
        """Enrol; ForbiddenError where the gateway refuses this host for good."""
        body = enrolment(member.host.name, public_text(member.key), member.attributes)
        answer = await self._post(member, "/v1/hosts", body, self._bearer)
        if answer.status in {200, 201}:
            try:
                return msgspec.json.decode(answer.body, type=Enrolled)
            except msgspec.DecodeError as error:
                raise UnreachableError(f"the answer to an enrolment is not of its form: {error}") from None
        said = answer.body[:200].decode("utf-8", "replace")
        if answer.status < 500:
            raise ForbiddenError(f"{member.host.name} was not enrolled: {answer.status} {said}")
        raise UnreachableError(f"enrolment answered {answer.status} {said}")

    async def ask(self, member: Member, directed: Directed) -> Answer:
        """Put the question; the caller reads the reply."""
        host = member.host
        body = question(
            host.name,
            host.product,
            directed.release_counter,
            directed.sha256,
            boot=host.boot_id,
            director_version=directed.director_version,
        )
        return await self._post(member, "/v1/adoptions", body)

    async def report(self, member: Member, crash: Crash) -> Answer:
        """Report one crash; the same report may be sent again."""
        return await self._post(member, "/v1/crashes", self._crash_body(crash))

    def _crash_body(self, crash: Crash) -> dict[str, Any]:
        blamed = self._module if crash.by_fault else {"name": "ntoskrnl.exe", "offset": "0x3f1a20"}
        return {
            "host": crash.host.name,
            "boot": crash.boot,
            "report": f"{crash.boot}-{round(crash.at * 1000)}",
            "crashed_at": _rfc3339(crash.at),
            "bugcheck": {"code": "0x50" if crash.by_fault else "0x1a", "parameters": ["0x0", "0x0", "0x0", "0x0"]},
            "uptime": round(crash.uptime, 3),
            "kind": "bugcheck",
            **({} if blamed is None else {"module": blamed}),
        }

    async def _post(
        self, member: Member, path: str, message: dict[str, Any], further: dict[str, str] | None = None
    ) -> Answer:
        body = msgspec.json.encode(message)
        fields = sign(member.key, member.host.name, "POST", path, body, int(self._clock.now()))
        return await self._client.post(path, body, fields | (further or {}))


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
