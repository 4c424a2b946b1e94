"""Build the engine from pinned source, once; what is in the cache is always whole.

Built under another name, asked for its version, then renamed: a half-built engine is never seen.
The compiler's caches (4 GB) outlive an interrupted build, so that the next one goes on where it
stopped, and are removed after a good one.
"""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rollout.adapters.engine import compiler
from rollout.adapters.engine.lock import held
from rollout.adapters.engine.pin import cached, module, pin, reported
from rollout.adapters.engine.tether import tethered
from rollout.errors import SurroundingsError

_PACKAGE = "github.com/temporalio/cli/cmd/temporal"
_STAMP = "github.com/temporalio/cli/internal/temporalcli.Version"
_PACKAGES = 1710  # how many a build compiles; only a measure of progress
_SECONDS_BETWEEN_LINES = 5.0
_SECONDS_AT_MOST = 3600  # 3.5 minutes on two cores
_BYTES_NEEDED = 5 << 30

Say = Callable[[str], None]


def build(home: Path, environ: Mapping[str, str], say: Say) -> Path:
    """Build the pinned engine into the cache `home` unless another process just did; its path.

    SurroundingsError, with the compiler's last words, if it cannot be built.
    """
    target = cached(home)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with held(home / "build.lock", lambda: say("another process is building the engine: waiting for it")):
            if reported(target) != pin().version:
                _build(home, target, environ, say)
    except OSError as error:
        raise SurroundingsError(f"the engine's cache cannot be written: {error}", slug="engine-build") from error
    return target


def _build(home: Path, target: Path, environ: Mapping[str, str], say: Say) -> None:
    free = shutil.disk_usage(home).free
    if free < _BYTES_NEEDED:
        say(f"building needs about {_BYTES_NEEDED >> 30} GB in {home} for a while; {free / (1 << 30):.1f} GB are free")
    work = home / "work"
    work.mkdir(exist_ok=True)
    go = compiler.on_path(environ, say) or compiler.from_registry(work / "go", environ, say)
    say(f"building the engine, temporal {pin().version}, once: about four minutes on two cores")
    half = work / "temporal"
    _compile(go, half, work, environ, say)
    if (said := reported(half)) != pin().version:
        raise SurroundingsError(f"the built engine says version {said}, not {pin().version}", slug="engine-build")
    half.replace(target)
    shutil.rmtree(work, ignore_errors=True)  # what cannot be removed costs only space
    say(f"the engine is ready: {target}")


def _compile(go: Path, output: Path, work: Path, environ: Mapping[str, str], say: Say) -> None:
    """Run the compiler to its end, telling progress; SurroundingsError if it fails."""
    settings = compiler.environment(environ) | {"GOCACHE": str(work / "objects"), "GOTMPDIR": str(work)}
    settings["GOMODCACHE"] = str(_sources(go, settings) or work / "sources")
    flags = ["-trimpath", "-buildvcs=false", "-modcacherw", "-v", "-ldflags", f"-s -w -X {_STAMP}={pin().version}"]
    log = work / "build.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            tethered([str(go), "build", *flags, "-o", str(output), _PACKAGE]),
            cwd=module(),
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    try:
        failed = _follow(process, log, say)
    finally:
        process.kill()
        process.wait()
    if failed:
        last = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])
        raise SurroundingsError(f"the engine could not be built:\n{last}", slug="engine-build")


def _follow(process: subprocess.Popen[bytes], log: Path, say: Say) -> bool:
    """Wait for the compiler and tell its progress; True if it failed or took too long."""
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < _SECONDS_AT_MOST:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(_SECONDS_BETWEEN_LINES) != 0
        lines = log.read_bytes().splitlines()
        fetched = sum(line.startswith(b"go: downloading") for line in lines)
        done = min(len(lines) - fetched, _PACKAGES)
        say(f"  {elapsed:4.0f} s: {fetched} modules fetched, {done} of about {_PACKAGES} packages compiled")
    return True


def _sources(go: Path, settings: Mapping[str, str]) -> Path | None:
    """Return the user's own module cache if there is one; without one, none is left behind in their home."""
    done = subprocess.run([go, "env", "GOMODCACHE"], env=settings, capture_output=True, text=True, check=False)
    name = done.stdout.strip()
    return Path(name) if done.returncode == 0 and name and Path(name).is_dir() else None
