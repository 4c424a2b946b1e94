"""What the watch stores, and rows whose counter moves while somebody lives."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, String, Table, Text

from rollout.adapters.store.schema.catalogue import Key, metadata

watch = Table(
    "watch",
    metadata,
    Column("rollout", String(63), primary_key=True),
    Column("owner", String(80), nullable=False),  # machine and process
    Column("epoch", Integer, nullable=False),
    Column("counter", Integer, nullable=False),
)

judgement = Table(
    "judgement",
    metadata,
    Column("rollout", String(63), primary_key=True),
    Column("counter", Integer, nullable=False),  # rises with each judgement: readers time its change
    Column("clock", Float, nullable=False),
    Column("event", Key, nullable=False),  # last event folded
    Column("beat", Key, nullable=False),  # last beat_log row folded
    Column("evidence", Integer, nullable=False),  # last evidence row
    Column("verdict", String(14), nullable=False),
    Column("window", Integer, nullable=False),
    Column("windows", JSON, nullable=False),  # {stratum: window}
    Column("promotable", Boolean, nullable=False),
    Column("document", JSON, nullable=False),  # e, ratio, gates, sentence: what people read
)

tick = Table(
    "tick",
    metadata,
    Column("rollout", String(63), primary_key=True),
    Column("event", Key, primary_key=True, autoincrement=False),
    Column("beat", Key, primary_key=True, autoincrement=False),
    Column("clock", Float, nullable=False),  # rollout clock when these cursors were folded
)

evidence = Table(
    "evidence",
    metadata,
    Column("rollout", String(63), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("row", Text, nullable=False),  # one JSON line
    sqlite_with_rowid=False,
)

beacon = Table(
    "beacon",
    metadata,
    Column("name", String(120), primary_key=True),  # engine, gateway/<id>, lease/<ring>, worker/<id>
    Column("owner", String(80), nullable=False),  # machine and process
    Column("epoch", Integer, nullable=False),
    Column("counter", BigInteger, nullable=False),
)
