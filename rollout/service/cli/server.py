"""Which server to ask, and as whom.

First that says so wins: flag, environment, configuration file (`config.toml` in the user's configuration folder:
`url`, and `token_file` relative to that folder), and last a `rollout up` of this user on this machine. Where each
value came from is kept, for the sentence that is shown when it does not work.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rollout.errors import InvalidError, UnreachableError

ADVICE = "set ROLLOUT_URL and ROLLOUT_TOKEN_FILE, pass --url and --token-file, or start one here with `rollout up`"
KNOWN = frozenset({"url", "token_file"})  # what the configuration file may say
TOKEN_LIMIT = 64 * 1024  # bytes; a JWT is a few kB, anything longer is the wrong file


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line said; None where it said nothing."""

    url: str | None = None
    token_file: str | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask, and the bearer token (None: ask without one). `source` says where the address came from."""

    url: str
    token: str | None
    source: str


def locate(flags: Flags, environ: Mapping[str, str] = os.environ) -> Server:
    """Find the server.

    Raises:
        UnreachableError: nothing names a server and none runs here.
        InvalidError: a token file or the configuration file cannot be read.
    """
    url, source = _first(("--url", flags.url), ("ROLLOUT_URL", environ.get("ROLLOUT_URL")))
    token = bearer(flags, environ)
    if url and token:
        return Server(url.rstrip("/"), token, source)
    file, written = _configuration()
    told = _text(written, "url", file)
    if not url and told:
        url, source = told, str(file)
    if not token and (path := _text(written, "token_file", file)):
        token = _read(file.parent / Path(path).expanduser(), str(file))
    if not url and (local := _local(environ)):
        address, admin = local
        return Server(address, token or admin, "a `rollout up` of yours on this machine")
    if not url:
        raise UnreachableError(f"no server is configured: {ADVICE}", slug="unconfigured")
    return Server(url.rstrip("/"), token, source)


def _first(*pairs: tuple[str, str | None]) -> tuple[str | None, str]:
    return next(((value, name) for name, value in pairs if value), (None, ""))


def bearer(flags: Flags, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the token that flag or environment give, None without any; InvalidError where its file is no token."""
    if flags.token_file:
        return _read(Path(flags.token_file), "--token-file")
    if environ.get("ROLLOUT_TOKEN"):
        return _one_token(environ["ROLLOUT_TOKEN"].strip(), "ROLLOUT_TOKEN")
    named = environ.get("ROLLOUT_TOKEN_FILE")
    return _read(Path(named), "ROLLOUT_TOKEN_FILE") if named else None


def _read(path: Path, source: str) -> str:
    try:
        with path.open("rb") as file:
            found = file.read(TOKEN_LIMIT + 1)
    except OSError as error:
        raise InvalidError(
            f"the token file {path} ({source}) cannot be read: {error.strerror}", slug="token-file"
        ) from error
    return _one_token(found.decode("ascii", errors="replace").strip(), f"the file {path} ({source})")


def _one_token(text: str, source: str) -> str:
    if len(text) > TOKEN_LIMIT or not text or not text.isascii() or not text.isprintable() or " " in text:
        raise InvalidError(f"{source} does not hold one token", slug="token-file")
    return text


def _configuration() -> tuple[Path, Mapping[str, object]]:
    import platformdirs  # noqa: PLC0415 - 25 ms, needed only where flags and environment are silent

    path = platformdirs.user_config_path("rollout") / "config.toml"
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return path, {}
    except (OSError, ValueError) as error:
        raise InvalidError(f"the configuration file {path} cannot be read: {error}", slug="configuration") from error
    if unknown := sorted(set(found) - KNOWN):
        raise InvalidError(
            f"{path}: `{unknown[0]}` is not known there; it may say {' and '.join(sorted(KNOWN))}", slug="configuration"
        )
    return path, found


def _text(written: Mapping[str, object], name: str, file: Path) -> str | None:
    value = written.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidError(f"{file}: `{name}` must be text", slug="configuration")
    return value


def _local(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return address and token of an `up` with these settings that runs, or ran, here."""
    from rollout.adapters.settings import Settings  # noqa: PLC0415 - brings platformdirs, as above
    from rollout.service.up.address import as_running  # noqa: PLC0415 - as above

    try:
        settings = Settings.from_environment(environ)
        if not (settings.data / "run").is_dir():
            return None
        return as_running(settings).api.url, _read(settings.data / "admin.token", "a local `rollout up`")
    except (InvalidError, OSError):  # another user's, or half made: as if there were none
        return None
