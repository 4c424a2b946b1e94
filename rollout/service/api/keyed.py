"""One request with an `Idempotency-Key`: claimed once its person is known, kept when it is answered.

It is claimed where the person is (`access.allowed`), so that who lacks the role is refused before anything
is answered from the store, and so that all tokens of a person are one. What stops claims nothing: it is done,
and only then its key is looked at.
"""

import asyncio
import hashlib
import logging
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from rollout.adapters.seal import Seal
from rollout.errors import BusyError, InvalidError, RolloutError
from rollout.operation import repeat
from rollout.service.api import faults
from rollout.service.api.context import Api

IN_SCOPE: Final = "rollout.keyed"
LARGEST_ANSWER: Final = 1 << 18  # bytes; only dry runs and lints are larger, and these change nothing
NOTED_SECONDS: Final = 1.0  # a stop that is done waits no longer for a store that does not take its key
_LOG = logging.getLogger("rollout.api")


class AnsweredError(Exception):
    """Not a fault: the request was answered before; `response` says how."""

    def __init__(self, response: Response) -> None:
        super().__init__("answered before")
        self.response = response


async def answered(_request: Request, found: Exception) -> Response:
    """Send the answer of the first time."""
    if not isinstance(found, AnsweredError):
        raise TypeError("this handler is installed for another exception")
    return found.response


@dataclass(slots=True)
class Keyed:
    """A keyed request on its way through the application."""

    api: Api
    path: str
    key: str
    body: bytes
    _seal: Seal | None = field(default=None, init=False)

    async def claim(self, person: str) -> None:
        """Begin it for a person; raises AnsweredError, and what `repeat.claim` raises."""
        seal, asked = self.named(person)
        owner, lives, elapsed = self.api.owner, self.api.lives, self.api.clock.elapsed()
        known = await self.api.write(lambda tx: repeat.claim(tx, asked, owner, lives, elapsed))
        if known is not None:
            head = {"Cache-Control": "no-store", "Idempotency-Replayed": "true"}
            raise AnsweredError(Response(seal.open(known.answer or b""), known.status or 500, head, known.kind))
        self._seal = seal
        self.api.claimed.add(seal.name)

    def named(self, person: str) -> tuple[Seal, repeat.Request]:
        """This request as a person's, under names that hide what it says."""
        seal = Seal(self.api.key, (person, self.path, self.key))
        return seal, repeat.Request(seal.name, hashlib.sha256(self.body).hexdigest())

    async def settle(self, status: int, kind: str, answer: bytes) -> Response | None:
        """Keep what was done; what was refused or failed changed nothing and may be tried again.

        A response returned is to be sent in place of the answer.
        """
        if (seal := self._seal) is None:
            return None
        self._seal = None
        done, owner = 200 <= status < 300 and len(answer) <= LARGEST_ANSWER, self.api.owner
        try:
            if done:
                sealed = seal.close(answer)
                await self.api.write(lambda tx: tx.repeats.keep(seal.name, owner, status, kind, sealed))
            else:
                await self.api.write(lambda tx: tx.repeats.release(seal.name, owner))
        except RolloutError as error:  # the act stands; who repeats it is refused by the store where it matters
            _LOG.warning("the answer of a keyed request was not kept: %s", error)
        finally:
            self.api.claimed.discard(seal.name)
        return None


@dataclass(slots=True)
class KeyedStop(Keyed):
    """A keyed stop: never held up and never refused for its key, which is looked at when all is done."""

    _person: str | None = field(default=None, init=False)

    async def claim(self, person: str) -> None:
        """Remember whose it is; nothing is asked of the store before the stop is."""
        self._person = person

    async def settle(self, status: int, kind: str, answer: bytes) -> Response | None:
        """Note the key of a stop that was done, as far as that can be had; a problem where it was used otherwise."""
        del kind, answer
        person, self._person = self._person, None
        if person is None or not 200 <= status < 300:
            return None
        _, asked = self.named(person)
        noting = asyncio.ensure_future(self.api.write(lambda tx: repeat.note(tx, asked, self.api.owner)))
        noting.add_done_callback(lambda done: done.cancelled() or done.exception())  # also of one that nobody awaits
        await asyncio.wait({noting}, timeout=NOTED_SECONDS)
        error = noting.exception() if noting.done() else BusyError("the store has not taken it yet")
        if isinstance(error, InvalidError):
            return faults.answer(error)
        if error is not None:
            _LOG.warning("a stop is in force; its key was not noted: %s", error)
        return None
