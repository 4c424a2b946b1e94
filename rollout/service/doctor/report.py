"""The doctor's list of checks, and its report."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rollout.adapters.clock import SystemClock
from rollout.adapters.engine.lock import take
from rollout.adapters.settings import Settings
from rollout.errors import RolloutError
from rollout.ports.clock import Clock
from rollout.service.doctor import machine, state
from rollout.service.doctor.finding import Finding, Status, fail

_WORST_FIRST = (Status.FAIL, Status.WARN, Status.OK)


def report(
    settings: Settings, environ: Mapping[str, str] = os.environ, clock: Clock | None = None
) -> Mapping[str, Any]:
    """Return the document of `rollout doctor --json`: the worst status, and every finding in a fixed order.

    Nothing is changed and nothing is made; a check that cannot be done is a failed one.
    """
    found = [_done(settings, name, check) for name, check in _checks(settings, environ, clock or SystemClock())]
    return {
        "schema": "rollout.doctor/1",
        "status": str(min((each.status for each in found), key=_WORST_FIRST.index)),
        "data": str(settings.data),
        "checks": [
            {"check": each.check, "status": str(each.status), "detail": each.detail, "mend": each.mend}
            for each in found
        ],
    }


def _checks(
    settings: Settings, environ: Mapping[str, str], clock: Clock
) -> Sequence[tuple[str, Callable[[], Finding]]]:
    runs = _runs(settings)
    return (
        ("python", machine.python),
        ("engine", lambda: machine.engine(environ)),
        ("data", lambda: machine.data(settings.data)),
        ("disk", lambda: machine.disk(settings.data)),
        ("reserve", lambda: machine.ballast(settings)),
        ("secrets", lambda: machine.secrets(settings.data)),
        ("service", lambda: machine.service(settings, runs=runs)),
        ("clock", lambda: state.clock(settings.data, clock.now())),
        ("store", lambda: state.store(settings, runs=runs)),
        ("metadata", lambda: state.metadata(settings, clock.now())),
    )


def _runs(settings: Settings) -> bool:
    """Tell whether `up` runs on this data folder: it holds the lock."""
    lock = settings.data / "run" / "up.lock"
    try:
        held = take(lock) if lock.exists() else None
    except OSError:
        return False
    if held is None:
        return lock.exists()
    os.close(held)
    return False


def _done(settings: Settings, name: str, check: Callable[[], Finding]) -> Finding:
    """Do one check; what stops it is its finding, and the logs say more."""
    try:
        return check()
    except (RolloutError, OSError, ValueError) as error:
        return fail(name, f"could not be checked: {error}", f"tail -n 50 {settings.data}/log/*.log")
