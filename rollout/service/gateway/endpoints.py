"""The host protocol's POST endpoints: who speaks, what, and what is answered after the commit.

Plain ASGI: two thousand signed requests a second leave no room for layers between socket and decoder.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from rollout.adapters.signature import claim as signature
from rollout.adapters.signature import key as signature_key
from rollout.admission import No, Reason, Wait
from rollout.errors import ForbiddenError, RolloutError, UnauthenticatedError
from rollout.operation import admit, crashed, enrol, record
from rollout.operation.record import Refused
from rollout.service import problem
from rollout.service.door.patience import source_of
from rollout.service.gateway import body as bodies
from rollout.service.gateway import messages
from rollout.service.gateway.caller import Caller, Signer, collector
from rollout.service.gateway.desk import Desk, plain
from rollout.service.gateway.messages import Message
from rollout.service.gateway.reply import Reply, Send, of_error
from rollout.telemetry import Beat, CrashReport

RowT = TypeVar("RowT", bound=messages.HasHost)
Scope = Mapping[str, Any]


@contextmanager
def proving(desk: Desk, source: Hashable, proof: Hashable = None) -> Iterator[None]:
    """Around a look at a proof: BusyError before it where its source failed too often."""
    desk.patience.admit(source, proof)
    try:
        yield
    except UnauthenticatedError:
        desk.patience.failed(source, proof)
        raise
    if proof is not None:
        desk.patience.proved(proof)


class Endpoint:
    """One path; errors of any kind become problem documents."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: bodies.Receive, send: Send) -> None:
        """Serve one request."""
        try:
            reply = await self._serve(scope, receive)
        except RolloutError as error:
            self._desk.metrics.rejected.labels(problem.slug(error)).inc()
            reply = of_error(error)
        except Exception as error:  # noqa: BLE001 - the server's own fault is logged there and answered 500
            self._desk.metrics.rejected.labels("internal").inc()
            reply = of_error(error)
        await reply.send(send)

    async def _serve(self, scope: Scope, receive: bodies.Receive) -> Reply:
        raise NotImplementedError


class Rows(Endpoint, Generic[RowT]):
    """An endpoint of rows, each about one host."""

    reader: ClassVar[messages.Reader[Any]]

    async def _serve(self, scope: Scope, receive: bodies.Receive) -> Reply:
        caller, plain_body = await self._open(scope, receive)
        message: Message[RowT] = self.reader.read(plain_body, self._desk.memory.keys)
        if isinstance(caller, Signer) and any(row.host != caller.host for row in message.rows):
            raise ForbiddenError("a host speaks for itself only", slug="other-host")
        return await self._answer(caller, message)

    async def _open(self, scope: Scope, receive: bodies.Receive) -> tuple[Caller, bytes]:
        """Who speaks, proved, and the JSON bytes of what is said."""
        headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
        fields = dict(headers)
        declared, coding = fields.get(b"content-length"), fields.get(b"content-encoding")
        desk, source = self._desk, source_of(scope.get("client"))
        if b"signature-input" in fields or b"signature" in fields:
            claim = signature.parse(headers)
            sent = await bodies.read(receive, declared, bodies.HOST_LIMIT)
            path = scope.get("raw_path", b"").decode("latin-1")
            name = claim.keyid
            with proving(desk, (source, name) if desk.keys.knows(name) else source):  # who is known is counted apart
                signer = await desk.keys.check(claim, path, sent, desk.clock.now())
            return signer, bodies.decode(sent, coding, bodies.HOST_LIMIT)
        digest = desk.tokens.digest(headers)
        with proving(desk, source, digest):
            speaker = await collector(desk.store, digest)
        sent = await bodies.read(receive, declared, bodies.BODY_LIMIT)
        return speaker, bodies.decode(sent, coding, bodies.EXPANDED_LIMIT)

    async def _answer(self, caller: Caller, message: Message[RowT]) -> Reply:
        raise NotImplementedError

    def _unknown(self, message: Message[RowT], answers: Sequence[object]) -> list[str]:
        """Hosts that were skipped, each once, in order."""
        skipped = [row.host for row, answer in zip(message.rows, answers, strict=True) if answer is Refused.UNKNOWN]
        self._desk.metrics.unknown.inc(len(skipped))
        return list(dict.fromkeys(skipped))

    def _refuse_strangers(self, caller: Caller, answers: Sequence[object]) -> None:
        if isinstance(caller, Signer) and any(answer in {Refused.STRANGER, Refused.UNKNOWN} for answer in answers):
            raise self._desk.refuse_stranger(caller)


class Beats(Rows[Beat]):
    """`POST /v1/beats`."""

    reader = messages.beats()

    async def _answer(self, caller: Caller, message: Message[Beat]) -> Reply:
        key = caller.public_key if isinstance(caller, Signer) else None
        told = await self._desk.beats.put([record.Row(beat, key) for beat in message.rows], caller.name)
        self._desk.metrics.beats.inc(len(told))
        document: dict[str, Any] = {"next_beat": plain(self._desk.next_beat)}
        rings: dict[str, Mapping[str, str]] = {}
        refused = False
        for beat, answer in zip(message.rows, told, strict=True):
            if answer is None:
                continue
            if isinstance(answer, Refused):
                refused = True
            else:
                rings[beat.host] = answer
        if refused:
            self._refuse_strangers(caller, [answer for answer in told if isinstance(answer, Refused)])
            document["unknown"] = self._unknown(message, told)
        elif message.is_batch:
            document["unknown"] = []
        if rings:
            document["rings"] = rings if message.is_batch else rings[message.rows[0].host]
        return Reply(202, document)


class Crashes(Rows[CrashReport]):
    """`POST /v1/crashes`."""

    reader = messages.crashes()

    async def _answer(self, caller: Caller, message: Message[CrashReport]) -> Reply:
        signed = (caller.public_key, caller.created) if isinstance(caller, Signer) else (None, None)
        answers = await self._desk.crashes.put([crashed.Row(report, *signed) for report in message.rows], caller.name)
        self._refuse_strangers(caller, answers)
        for report, answer in zip(message.rows, answers, strict=True):
            if answer is None:
                self._desk.metrics.crashes.labels(report.kind).inc()
        return Reply(202, {"unknown": self._unknown(message, answers)})


class Adoptions(Rows[admit.Question]):
    """`POST /v1/adoptions`."""

    reader = messages.questions()

    async def _answer(self, caller: Caller, message: Message[admit.Question]) -> Reply:
        key = caller.public_key if isinstance(caller, Signer) else None
        answered = await self._desk.questions.put([admit.Row(question, key) for question in message.rows], caller.name)
        if Refused.STRANGER in answered:
            raise self._desk.refuse_stranger(caller)
        answers = [self._document(each) for each in answered]
        if not message.is_batch:
            return Reply(200, answers[0])
        unknown = [
            row.host for row, each in zip(message.rows, answered, strict=True) if each == No(Reason.UNKNOWN_HOST)
        ]
        return Reply(200, {"answers": answers, "unknown": list(dict.fromkeys(unknown))})

    def _document(self, answered: admit.Answered) -> dict[str, Any]:
        count = self._desk.metrics.adoptions.labels
        if isinstance(answered, admit.Granted):
            count("go").inc()
            return {"answer": "go", "adoption": answered.adoption, "valid": answered.go.valid}
        if isinstance(answered, Wait):
            count("wait").inc()
            return {"answer": "wait", "retry_after": answered.retry_after}
        reason = answered.reason if isinstance(answered, No) else Reason.UNKNOWN_HOST
        count(reason.value).inc()
        return {"answer": "no", "reason": reason.value}


class Hosts(Endpoint):
    """`POST /v1/hosts`: enrolment, by token; a signature, where there is one, must be by the key that is enrolled."""

    async def _serve(self, scope: Scope, receive: bodies.Receive) -> Reply:
        desk, headers = self._desk, scope["headers"]
        fields = dict(headers)
        digest = desk.tokens.digest(headers)
        sent = await bodies.read(receive, fields.get(b"content-length"), bodies.HOST_LIMIT)
        said = messages.enrolment(bodies.decode(sent, fields.get(b"content-encoding"), bodies.HOST_LIMIT))
        raw = signature_key.decode(said.public_key)
        if signature.is_signed(headers):
            claim = signature.parse(headers)
            if claim.keyid != said.host:
                raise UnauthenticatedError("the enrolment is signed for another host", slug="signature")
            path = scope.get("raw_path", b"").decode("latin-1")
            claim.check(signature_key.public_key(raw), "POST", path, sent, desk.clock.now())
        algorithm = "ed25519" if len(raw) == 32 else "ecdsa-p256-sha256"
        application = enrol.Application(said.host, algorithm, raw, msgspec.to_builtins(said.attributes))
        with proving(desk, source_of(scope.get("client")), digest):
            (enrolled,) = await desk.enrolments.put([enrol.Row(digest, application)], digest)
            if isinstance(enrolled, RolloutError):
                raise enrolled
        desk.metrics.enrolments.inc()
        document = {
            "host": enrolled.host,
            "stratum": enrolled.stratum,
            "heartbeat": plain(enrolled.heartbeat),
            "rings": enrolled.rings,
            "director": "/metadata/director/",
            "image": "/metadata/image/",
        }
        return Reply(201 if enrolled.created else 200, document)
