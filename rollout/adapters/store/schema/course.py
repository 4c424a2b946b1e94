"""Rollouts: releases, policies, rings, members, adoptions, tallies."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from rollout.adapters.store.schema.catalogue import Key, metadata

release = Table(
    "release",
    metadata,
    Column("product", String(63), primary_key=True),
    Column("counter", BigInteger, primary_key=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("length", BigInteger, nullable=False),
    Column("version", Text, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("floor", BigInteger, nullable=False),
    Column("manifest", JSON, nullable=False),
    Column("custom", JSON, nullable=False),  # the Image target's custom, as last signed
    Column("added_at", Float, nullable=False),
    Column("added_by", Text, nullable=False),
)

policy = Table(
    "policy",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("document", Text, nullable=False),
    Column("added_at", Float, nullable=False),
    Column("added_by", Text, nullable=False),
)

rollout = Table(
    "rollout",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("number", Key, nullable=False, unique=True),  # order of starts
    Column("product", String(63), nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("policy_digest", String(64), nullable=False),
    Column("policy", Text, nullable=False),  # canonical JSON of the whole document
    Column("state", String(20), nullable=False),
    Column("state_since", Float, nullable=False),
    Column("over", Boolean, nullable=False),  # not judged any more
    Column("started_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("map_n", Integer, nullable=False),
    Column("salt", String(64), nullable=False),  # of the exposure bucket
    Column("strata", JSON, nullable=False),
    Column("first_event", Key, nullable=False),  # events after this one concern the rollout
    Column("first_beat", Key, nullable=False),
    Column("revision", Integer, nullable=False, server_default="0"),  # evidence_revision
    Column("orders", Integer, nullable=False, server_default="0"),  # grants so far
    Column("stop_reason", Text),
    Column("stopped_at", Float),
    Column("completed_clock", Float),  # rollout clock at completion: the watch counts from here
    Column("superseded", Boolean, nullable=False, server_default="0"),
    Index("rollout_by_product", "product", "number"),
)

ring = Table(
    "ring",
    metadata,
    Column("rollout", ForeignKey("rollout.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", String(63), nullable=False),
    Column("state", String(20), nullable=False),
    Column("state_since", Float, nullable=False),
    Column("hosts", Integer, nullable=False),
    Column("held_out", Integer, nullable=False),
    Column("directive_version", Integer),  # targets version that first carried the directive
)

member = Table(
    "member",
    metadata,
    Column("rollout", String(63), primary_key=True),
    Column("host", Key, primary_key=True, autoincrement=False),
    Column("ring", String(63), nullable=False),  # a ring's name or held-out
    Column("stratum", String(200), nullable=False),
    Column("baseline", BigInteger),
    Column("directed", Boolean, nullable=False),  # eligible, and its baseline is known or none
    Column("active", Boolean, nullable=False),  # heard shortly before the rollout began
    Column("turn", String(63)),  # the later ring with which a limit lets it adopt
    sqlite_with_rowid=False,
)

adoption = Table(
    "adoption",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("rollout", String(63), nullable=False),
    Column("host", Key, nullable=False),
    Column("product", String(63), nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("ring", String(63), nullable=False),
    Column("stratum", String(200), nullable=False),
    Column("order", Integer, nullable=False),
    Column("state", String(10), nullable=False),  # open, confirmed, failed
    Column("outcome", String(10)),  # of a failed one: crash, dark, reverted, deadline, retired
    Column("overdue", Boolean, nullable=False, server_default="0"),
    Column("holding", Boolean, nullable=False, server_default="1"),  # its slot in the window
    Column("granted_at", Float, nullable=False),
    Column("boot", Text, nullable=False),  # the boot that asked
    Column("director_version", Integer, nullable=False),
    Column("applied_boot", Text),  # boot of the last applied beat
    Column("applied_uptime", Float),  # its uptime when it was first seen applied in that boot
    Column("uptime", Float, nullable=False, server_default="0"),  # gathered since activation, seconds
    Column("boots", JSON, nullable=False),  # boots seen since the grant
    Column("resolved_at", Float),
    Column("rolled_back", Boolean, nullable=False, server_default="0"),  # its host reports its baseline again
    UniqueConstraint("rollout", "host"),
    Index("adoption_by_host", "host"),
    Index("adoption_by_time", "rollout", "granted_at"),
)

tally = Table(
    "tally",
    metadata,
    Column("rollout", String(63), primary_key=True),
    Column("ring", String(63), primary_key=True),
    Column("stratum", String(200), primary_key=True),
    Column("granted", Integer, nullable=False, server_default="0"),
    Column("confirmed", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("dark", Integer, nullable=False, server_default="0"),  # dark now, a live count
    Column("overdue", Integer, nullable=False, server_default="0"),  # unresolved and overdue now
    Column("outstanding", Integer, nullable=False, server_default="0"),  # slots held
)

freeze = Table(
    "freeze",
    metadata,
    Column("id", Integer, primary_key=True),  # one row at most
    Column("since", Float, nullable=False),
    Column("person", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("number", Integer, nullable=False),  # of the freeze: votes to lift it are for this one
)
