"""Published metadata and ring maps: rows are the truth, files their copy."""

from sqlalchemy import JSON, Column, Float, Integer, LargeBinary, String, Table

from rollout.adapters.store.schema.catalogue import metadata

repository = Table(
    "repository",
    metadata,
    Column("name", String(80), primary_key=True),  # image, or director/<ring>
    Column("revision", Integer, nullable=False),  # compare-and-swap
    Column("versions", JSON, nullable=False),  # {role: version}
    Column("issued", Float, nullable=False),  # x-issued of the last timestamp
    Column("expires", JSON, nullable=False),  # {role: unix seconds}
    Column("directives", JSON, nullable=False),  # of a Director: the facts its targets carry
)

metadata_file = Table(
    "metadata_file",
    metadata,
    Column("repository", String(80), primary_key=True),
    Column("name", String(120), primary_key=True),  # 3.targets.json, timestamp.json
    Column("content", LargeBinary, nullable=False),
    Column("revision", Integer, nullable=False),  # of the publish that wrote it
)

ring_map = Table(
    "ring_map",
    metadata,
    Column("product", String(63), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("document", JSON, nullable=False),
)
