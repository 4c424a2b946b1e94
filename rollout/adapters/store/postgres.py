"""What a PostgreSQL connection needs before the store uses it. Imported only where the URL asks for it."""

from typing import Any

from psycopg import Connection
from psycopg.types.string import StrDumperUnknown

# A writer that waits as long for its turn as on SQLite, and one that stands still while it holds the turn: half of the
# time that a halt waits for its own.
_LIMITS = ("SET lock_timeout = '5s'", "SET idle_in_transaction_session_timeout = '10s'")

# How long a server may be silent before its connection is given up (libpq): seconds, but for the milliseconds of the
# last. A network that swallows packets must not hold a writer for the kernel's fifteen minutes.
SILENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class TextDumper(StrDumperUnknown):
    """Text without NUL, which PostgreSQL does not store: one host's beat must not fail its neighbours' commit."""

    def dump(self, obj: str) -> Any:
        """Give the bytes; U+FFFD stands where NUL stood."""
        return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}"))


def prepare(connection: "Connection[Any]") -> None:
    """Set the limits of a new connection, and how it sends text."""
    connection.adapters.register_dumper(str, TextDumper)
    connection.autocommit = True
    for limit in _LIMITS:
        connection.execute(limit)
    connection.autocommit = False
