"""Hosts: who they are, how they last spoke, what happened to them."""

from sqlalchemy import JSON, BigInteger, Column, Float, Index, Integer, LargeBinary, String, Table, Text

from rollout.adapters.store.schema.catalogue import Key, metadata

host = Table(
    "host",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("algorithm", String(24), nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("stratum", String(200), nullable=False),
    Column("enrolled_at", Float, nullable=False),
    Column("retired_at", Float),
    Column("token", String(32)),
    Column("group", String(128)),  # redundancy group, as in its attributes
    Index("host_by_group", "group"),
)

presence = Table(
    "presence",
    metadata,
    Column("host", Key, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("boot", Text, nullable=False),
    Column("uptime", Float, nullable=False),
    Column("phase", String(10), nullable=False),
    Column("absent", Integer, nullable=False),  # 0 here, 1 announced sleep, 2 announced shutdown
    Column("running", Text, nullable=False),  # canonical JSON {product: counter}
    Column("adoption", String(64)),  # as the host says it
    Column("at", Float, nullable=False),
    Column("told", Text, nullable=False, server_default="{}"),  # rings the host was last told, canonical JSON
    Column("measures", Text),  # what its latest beat measured of what is judged, canonical JSON {name: number}
)

running = Table(
    "running",
    metadata,
    Column("host", Key, primary_key=True, autoincrement=False),
    Column("product", String(64), primary_key=True),
    Column("counter", BigInteger, nullable=False),
    Index("running_by_counter", "product", "counter"),
)

beat_log = Table(
    "beat_log",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("hosts", LargeBinary, nullable=False),  # little-endian int32 host keys heard in one commit
    sqlite_autoincrement=True,
)

event = Table(
    "event",
    metadata,
    Column("seq", Key, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("host", Key, nullable=False),
    Column("rollout", String(63)),
    Column("adoption", String(40)),
    Column("detail", JSON, nullable=False),
    Index("event_by_rollout", "rollout", "kind"),
    sqlite_autoincrement=True,
)

crash = Table(
    "crash",
    metadata,
    Column("host", Key, primary_key=True, autoincrement=False),
    Column("report", Text, primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("crashed_at", Float, nullable=False),  # corrected by (receipt - signature's created)
    Column("body", JSON, nullable=False),
    Column("event", Key),
)
