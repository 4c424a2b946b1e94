"""What must lie in the data folder before a process of the service starts.

Everything here is made once and kept: a second start changes nothing.
"""

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

from policies.profiles import names, profile
from rollout.adapters.clock import SystemClock
from rollout.adapters.settings import Settings
from rollout.adapters.store.core import Store
from rollout.adapters.store.migrate import migrate, open_store
from rollout.adapters.store.reserve import reserve_for
from rollout.adapters.token import TokenKey
from rollout.adapters.trust.development import ensure_development_keys
from rollout.errors import SurroundingsError
from rollout.operation.intake import store_policy
from rollout.operation.token import LONGEST_TTL_SECONDS, Wanted, issue
from rollout.ports.store import Transaction

_ADMIN = "admin"  # a person, made by the program
_KEY_BYTES = 32
_TRUST: dict[str, object] = {
    "schema": "rollout.trust/1",
    "required_ekus": [],
    "program_name": None,
    "allow_unsigned_content": True,
    "content_schemas": {"opaque": 0},
}  # INTERFACES section 5


def make_room(settings: Settings) -> bool:
    """Free the ballast where the disk is full: who wants to stop something needs a service that starts. Whether it was.

    A start writes pid files, logs and locks; what is left of the ballast is for stops.
    """
    reserve = reserve_for(settings.database)
    with suppress(OSError):  # a folder that cannot be looked at is told of by who opens it
        if not reserve.has_room():
            reserve.spend()
            return True
    return False


def make_folders(data: Path) -> None:
    """Make the data folder, for its owner only; SurroundingsError if it cannot be written."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("run", "log", "keys", "trust", "targets"):
            (data / name).mkdir(mode=0o700, exist_ok=True)
        for name in ("roots", "tsa", "crl"):
            (data / "trust" / name).mkdir(exist_ok=True)
    except OSError as error:
        raise SurroundingsError(
            f"the data folder {data} cannot be written: {error.strerror}; choose another with --data", slug="data"
        ) from error


def prepare(settings: Settings) -> None:
    """Fill the data folder and the store. Called by `up` alone, under its lock, before any child runs.

    Where nothing is lacking nothing is written: it works on a full disk too.
    """
    make_once(settings.data / "trust" / "policy.json", (json.dumps(_TRUST, indent=2) + "\n").encode(), mode=0o644)
    make_once(settings.data / "keys" / "token.key", secrets.token_bytes(_KEY_BYTES))
    ensure_development_keys(settings.data / "keys")
    migrate(settings.database)
    store = open_store(settings.database, SystemClock())
    try:
        _admit(settings.data, store)
        if store.read(_lacks_profiles):
            store.write(_store_profiles).result()
    finally:
        store.close()


def _admit(data: Path, store: Store) -> None:
    """Give the person `admin` a token: one file, made once; its row again where the store was made anew."""
    key, path = TokenKey.load(data), data / "admin.token"
    made = key.make()
    make_once(path, f"{made.text}\n".encode())
    hmac = key.hmac(path.read_bytes().strip())

    def work(tx: Transaction) -> None:
        if tx.people.token(hmac) is None:
            issue(tx, Wanted(_ADMIN, "admin", None, LONGEST_TTL_SECONDS), made.id, hmac, _ADMIN)

    if store.read(lambda tx: tx.people.token(hmac)) is None:
        store.write(work).result()


def _lacks_profiles(tx: Transaction) -> bool:
    return any(tx.releases.policy(name) is None for name in names())


def _store_profiles(tx: Transaction) -> None:
    """Store the shipped profiles under their names; what an older program stored stays as it is."""
    for name in names():
        if tx.releases.policy(name) is None:
            store_policy(tx, profile(name), _ADMIN)


def make_once(path: Path, content: bytes, *, mode: int = 0o600) -> bool:
    """Write a file that does not exist yet, whole or not at all; False if it does."""
    if path.exists():
        return False
    half = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(half, path)
    except FileExistsError:
        return False
    finally:
        half.unlink(missing_ok=True)
    return True
