"""The store's tables. Times (`at`, `*_at`) are unix seconds, UTC, stamped by the store's own clock.

Integer host keys keep the hot rows narrow; everything else speaks ids. Who writes what:
gateway: host, presence, running, beat_log, crash, event, adoption, tally. Watch: event (dark, overdue,
expired, resolved), adoption, tally, evidence, judgement, tick, rollout.state on a stop. Publisher: repository,
metadata_file, ring.directive_version. API and workflows: the rest. Only the audit table is written by all.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()
Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite gives only INTEGER keys the rowid

store_clock = Table(
    "store_clock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
)

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
    Column("adoption", String(40)),
    Column("at", Float, nullable=False),
    Column("told", Text, nullable=False, server_default="{}"),  # rings the host was last told, canonical JSON
)

running = Table(
    "running",
    metadata,
    Column("host", Key, primary_key=True, autoincrement=False),
    Column("product", String(63), primary_key=True),
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

watch = Table(
    "watch",
    metadata,
    Column("rollout", String(63), primary_key=True),
    Column("owner", String(64), nullable=False),
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
    Column("owner", String(64), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("counter", BigInteger, nullable=False),
)

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

freeze = Table(
    "freeze",
    metadata,
    Column("id", Integer, primary_key=True),  # one row at most
    Column("since", Float, nullable=False),
    Column("person", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("number", Integer, nullable=False),  # of the freeze: votes to lift it are for this one
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
