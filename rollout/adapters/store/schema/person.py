"""People: tokens, votes, audit, keyed requests; and the clock of the store."""

from sqlalchemy import JSON, Column, Float, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from rollout.adapters.store.schema.catalogue import Key, metadata

token = Table(
    "token",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", String(12), nullable=False),
    Column("hmac", LargeBinary, nullable=False, unique=True),
    Column("uses_left", Integer),
    Column("created_at", Float, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("revoked_at", Float),
)

vote = Table(
    "vote",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("rollout", String(63), nullable=False),  # "" for unfreeze
    Column("act", String(10), nullable=False),  # approve, resume, unfreeze
    Column("ring", String(63), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("person", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False),
    UniqueConstraint("rollout", "act", "ring", "revision", "person"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Key, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("rollout", String(63)),
    Column("kind", String(40), nullable=False),
    Column("person", Text),  # null: the program itself
    Column("detail", JSON, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("audit_by_rollout", "rollout", "seq"),
    sqlite_autoincrement=True,
)

keyed_request = Table(
    "keyed_request",
    metadata,
    Column("name", String(64), primary_key=True),  # an HMAC of person, path and key
    Column("body", String(64), nullable=False),
    Column("at", Float, nullable=False),
    Column("owner", String(32), nullable=False),
    Column("counter", Integer, nullable=False),
    Column("status", Integer),  # null: it runs
    Column("kind", Text),
    Column("answer", LargeBinary),  # sealed: an answer may hold a token
    Index("keyed_request_by_time", "at"),
)

store_clock = Table(
    "store_clock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
)
