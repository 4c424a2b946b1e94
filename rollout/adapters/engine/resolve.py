"""Which engine to use: TEMPORAL_ADDRESS, else `temporal` on PATH, else our cache, else a new build.

Nothing here imports the Temporal SDK or a web framework: the command line asks it too.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rollout.adapters.engine import compiler
from rollout.adapters.engine.build import build
from rollout.adapters.engine.pin import cache_home, cached, pin, reported
from rollout.errors import InvalidError

Say = Callable[[str], None]


class Source(StrEnum):
    """Where an engine comes from, in the order they are tried."""

    ADDRESS = "address"
    PATH = "path"
    CACHE = "cache"
    BUILD = "build"


@dataclass(frozen=True, slots=True)
class Found:
    """An engine to use: the address of a server somebody else runs, or a binary to run ourselves."""

    source: Source
    address: str | None = None
    binary: Path | None = None


def _silent(_line: str) -> None:
    """Say nothing."""


def find(environ: Mapping[str, str], home: Path, say: Say = _silent) -> Found | None:
    """Return the engine that is there already, or None if it must be built first."""
    if address := environ.get("TEMPORAL_ADDRESS"):
        return Found(Source.ADDRESS, address=_checked(address))
    on_path = shutil.which("temporal", path=environ.get("PATH", os.defpath))
    if on_path is not None and _fits(Path(on_path), say):
        return Found(Source.PATH, binary=Path(on_path).absolute())
    ours = cached(home)
    if ours.exists() and _fits(ours, say):
        return Found(Source.CACHE, binary=ours)
    return None


def obtain(say: Say, environ: Mapping[str, str] = os.environ, home: Path | None = None) -> Found:
    """Return an engine, building it if there is none; SurroundingsError if that fails."""
    home = home or cache_home()
    return find(environ, home, say) or Found(Source.BUILD, binary=build(home, environ, say))


def install(say: Say, environ: Mapping[str, str] = os.environ, home: Path | None = None) -> Path:
    """Return the path of a usable engine binary, built if need be, whatever TEMPORAL_ADDRESS says."""
    found = obtain(say, {name: value for name, value in environ.items() if name != "TEMPORAL_ADDRESS"}, home)
    if found.binary is None:
        raise AssertionError("without an address an engine is a binary")
    return found.binary


def status(environ: Mapping[str, str] = os.environ, home: Path | None = None) -> dict[str, Any]:
    """Return what `rollout engine status --json` prints; `source` is `build` where nothing is there yet."""
    notes: list[str] = []
    home = home or cache_home()
    found = find(environ, home, notes.append)
    go = compiler.on_path(environ, notes.append) if found is None else None
    return {
        "schema": "rollout.engine/1",
        "installed": found is not None,
        "version": pin().version,
        "server": pin().server,
        "source": str(found.source if found else Source.BUILD),
        "address": found.address if found else None,
        "binary": str(found.binary) if found and found.binary else None,
        "cache": str(home),
        "compiler": str(go) if go else None,
        "notes": notes,
    }


def _fits(binary: Path, say: Say) -> bool:
    version = reported(binary)
    if version != pin().version:
        say(f"temporal {version or 'of unknown version'} at {binary} is ignored: the engine is {pin().version}")
    return version == pin().version


def _checked(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise InvalidError(f"TEMPORAL_ADDRESS must be HOST:PORT, not {address!r}", slug="temporal-address")
    return address
