"""Tokens and the people behind them: who may do what."""

from dataclasses import dataclass

from rollout.errors import InvalidError, NotFoundError, UnauthenticatedError
from rollout.operation.enrol import bearer
from rollout.ports.person import TokenRecord
from rollout.ports.store import Transaction

ROLES = ("viewer", "releaser", "operator", "approver", "admin", "enrol", "collector")
PEOPLE = frozenset({"viewer", "releaser", "operator", "approver"})  # each of them may look; admin is every role
LONGEST_NAME = 100
LONGEST_TTL_SECONDS = 10 * 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class Person:
    """Who speaks: the token's name, and what this token allows."""

    name: str
    role: str

    def holds(self, role: str) -> bool:
        """Whether this token may act in a role; `admin` includes every one."""
        return self.role in {role, "admin"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A token to be made; `ttl` in seconds, `uses` None for any number."""

    name: str
    role: str
    uses: int | None
    ttl: float


def identify(tx: Transaction, hmac: bytes, roles: frozenset[str]) -> Person:
    """The person behind a live token of one of these roles; counts a use where its uses are counted.

    Counting writes: `identify` needs a write transaction for a token for which `counted` is true.
    """
    token = bearer(tx, hmac, roles)
    if token.uses_left is not None and not tx.people.use_token(token.id):
        raise UnauthenticatedError("the token is used up; ask for a new one", slug="token")
    return Person(token.name, token.role)


def counted(tx: Transaction, hmac: bytes) -> bool:
    """Whether a token's uses are counted."""
    token = tx.people.token(hmac)
    return token is not None and token.uses_left is not None


def issue(tx: Transaction, wanted: Wanted, id_: str, hmac: bytes, person: str) -> TokenRecord:
    """Store a new token; InvalidError for a name nobody could be called by."""
    if not 0 < len(wanted.name.strip()) <= LONGEST_NAME or not wanted.name.isprintable():
        raise InvalidError(f"a person's name has 1 to {LONGEST_NAME} printable characters", slug="name")
    if not 0 < wanted.ttl <= LONGEST_TTL_SECONDS:
        raise InvalidError("a token lives for more than nothing and at most ten years", slug="ttl")
    name = wanted.name.strip()
    record = TokenRecord(id_, name, wanted.role, hmac, wanted.uses, tx.at, person, tx.now + wanted.ttl)
    tx.people.add_token(record)
    tx.people.record("token.created", person=person, detail={"token": id_, "name": name, "role": wanted.role})
    return record


def revoke(tx: Transaction, id_: str, person: str) -> None:
    """End a token at once; again changes nothing."""
    if not tx.people.revoke_token(id_):
        raise NotFoundError(f"there is no token {id_}", slug="no-token")
    tx.people.record("token.revoked", person=person, detail={"token": id_})
