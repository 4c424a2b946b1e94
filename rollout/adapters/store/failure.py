"""What the database's errors mean: no room, no turn, or no answer."""

from sqlalchemy.exc import DBAPIError

from rollout.errors import BusyError, DiskFullError, SurroundingsError

# Primary result codes of SQLite (the low byte), SQLSTATEs of PostgreSQL.
_FULL, _BUSY, _LOCKED = 13, 5, 6
_DISK_FULL, _LOCK_NOT_AVAILABLE = "53100", "55P03"


def failed(error: Exception) -> SurroundingsError:
    """Return the error for whoever asked; nothing of the transaction was kept."""
    said = f"the store failed ({type(error).__name__}: {error}); nothing was written"
    found: SurroundingsError
    if _means(error, {_FULL}, _DISK_FULL):
        found = disk_full()
    elif _means(error, {_BUSY, _LOCKED}, _LOCK_NOT_AVAILABLE):
        found = BusyError(said, slug="busy")
    else:
        found = SurroundingsError(said, slug="store")
    found.__cause__ = error
    return found


def disk_full() -> DiskFullError:
    """Return the refusal of work that goes forward."""
    return DiskFullError(
        "the store's disk is full; nothing was written. Halt, pause, roll back and freeze still work; "
        "make room, and everything goes on by itself",
        slug="disk-full",
    )


def _means(error: Exception, codes: set[int], state: str) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", None)
    return getattr(cause, "sqlstate", None) == state if code is None else code & 0xFF in codes
