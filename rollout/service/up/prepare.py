"""What must lie in the data folder before a process of the service starts.

Everything here is made once and kept: a second start changes nothing.
"""

import json
import os
import secrets
from pathlib import Path

from rollout.adapters.settings import Settings
from rollout.errors import SurroundingsError

_KEY_BYTES = 32
_TRUST: dict[str, object] = {
    "schema": "rollout.trust/1",
    "required_ekus": [],
    "program_name": None,
    "allow_unsigned_content": True,
    "content_schemas": {"opaque": 0},
}  # INTERFACES section 5


def make_folders(data: Path) -> None:
    """Make the data folder, for its owner only; SurroundingsError if it cannot be written."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("run", "log", "keys", "trust"):
            (data / name).mkdir(mode=0o700, exist_ok=True)
        for name in ("roots", "tsa", "crl"):
            (data / "trust" / name).mkdir(exist_ok=True)
    except OSError as error:
        raise SurroundingsError(
            f"the data folder {data} cannot be written: {error.strerror}; choose another with --data", slug="data"
        ) from error


def prepare(settings: Settings) -> None:
    """Fill the data folder: trust policy and token key. Called by `up` alone, under its lock."""
    make_once(settings.data / "trust" / "policy.json", (json.dumps(_TRUST, indent=2) + "\n").encode(), mode=0o644)
    make_once(settings.data / "keys" / "token.key", secrets.token_bytes(_KEY_BYTES))


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
