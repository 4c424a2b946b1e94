"""Everything that can go wrong, split by whose fault it is.

An error carries a stable `slug` (the last part of its problem document's `type`), a sentence that
says what was seen and what to do next, and, where several things are wrong at once, `problems`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a stable code and a sentence."""

    code: str
    detail: str


class RolloutError(Exception):
    """Root of the tree."""

    def __init__(self, detail: str, *, slug: str = "error", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.slug = slug
        self.problems = problems


class AuthorError(RolloutError):
    """The person who asked must change what they asked."""


class InvalidError(AuthorError):
    """The document or request is wrong in itself (422, exit 1)."""


class NotFoundError(AuthorError):
    """What was named does not exist (404, exit 3)."""


class ConflictError(AuthorError):
    """The world moved, or the act does not fit the state (409, exit 5)."""


class UnauthenticatedError(AuthorError):
    """No credentials, or wrong ones (401, exit 4)."""


class ForbiddenError(AuthorError):
    """Right credentials for somebody or something else (403, exit 4)."""


class SupplierError(RolloutError):
    """The release package is not acceptable; its maker must change it (422, exit 1)."""


class HostError(RolloutError):
    """A host or collector sent something that cannot be taken."""


class MalformedError(HostError):
    """The message is not of the protocol's form (400)."""


class SurroundingsError(RolloutError):
    """Something around the program failed; trying again may help."""


class UnreachableError(SurroundingsError):
    """A server does not answer (503, exit 6)."""


class BusyError(SurroundingsError):
    """A queue is full or a lock is held; try again after a while (503 with Retry-After, exit 6)."""


class DiskFullError(SurroundingsError):
    """There is no room to write; only what stops is written (503 with Retry-After)."""


class StaleOwnerError(SurroundingsError):
    """Another process owns this work now; stop doing it, write nothing."""


class DamagedError(SurroundingsError):
    """Stored data is not what this version can read (exit 1)."""
