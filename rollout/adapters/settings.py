"""What a process of the service is told: one frozen value, from flags or the environment.

`rollout up` hands its children theirs by environment, so there is one way in for both. Variables
are `ROLLOUT_*`; the engine's address is `TEMPORAL_ADDRESS`, as everywhere in Temporal's world.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import platformdirs

from rollout.errors import InvalidError

LOOPBACK = "127.0.0.1"
_WILDCARDS = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - compared with, never bound to
_YES, _NO = "1", "0"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a process listens; port 0 takes a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, name: str = "the address") -> Self:
        """Read HOST:PORT, an IPv6 host in brackets; InvalidError names `name`."""
        host, _, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        plain = host[1:-1] if bracketed else host
        digits = port.isascii() and port.isdecimal() and len(port) <= 5
        if not plain or (":" in plain) != bracketed or not digits or int(port) > 65535:
            raise InvalidError(f"{name} must be HOST:PORT, not {text!r}", slug="address")
        return cls(plain, int(port))

    @property
    def url(self) -> str:
        """How a program on this machine reaches it."""
        host = _WILDCARDS.get(self.host, self.host)
        return f"http://{_bracketed(host)}:{self.port}"

    def __str__(self) -> str:
        return f"{_bracketed(self.host)}:{self.port}"


API, GATEWAY = Endpoint(LOOPBACK, 8470), Endpoint(LOOPBACK, 8471)  # INTERFACES section 5
WORKER = Endpoint(LOOPBACK, 8472)  # its /healthz and /metrics


@dataclass(frozen=True, slots=True)
class Settings:
    """What `up`, `serve`, `gateway` and `worker` need to know.

    `data`: folder of everything kept. `database`: SQLAlchemy URL of the store, a file in `data`
    unless told otherwise; may carry a password, so it is never shown. `temporal`: HOST:PORT of
    the engine, None until one is chosen; `temporal_ui`: URL of its page, if known.
    `heartbeat_seconds`: a host's interval while no rollout is open. `supervised`: started by
    `up` on this machine, so development keys are allowed.
    """

    data: Path
    api: Endpoint = API
    gateway: Endpoint = GATEWAY
    worker: Endpoint = WORKER
    database: str = field(default="", repr=False)
    temporal: str | None = None
    temporal_ui: str | None = None
    namespace: str = "rollout"
    heartbeat_seconds: float = 60.0
    supervised: bool = False

    def __post_init__(self) -> None:
        """Refuse what no process could use; derive the store's file; make the folder absolute."""
        if not (math.isfinite(self.heartbeat_seconds) and 0 < self.heartbeat_seconds <= 86400):
            raise InvalidError("the heartbeat must be above 0 s and at most one day", slug="heartbeat")
        object.__setattr__(self, "data", self.data.absolute())
        if not self.database and "?" in str(self.data):
            raise InvalidError("the data folder's name may not contain '?': it stands in a database URL", slug="data")
        if not self.database:
            object.__setattr__(self, "database", f"sqlite:///{self.data / 'store.sqlite3'}")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read settings; absent variables have the defaults, InvalidError names a wrong one."""
        return cls(
            data=Path(environ.get("ROLLOUT_DATA") or platformdirs.user_data_path("rollout")),
            api=_endpoint(environ, "ROLLOUT_API", API),
            gateway=_endpoint(environ, "ROLLOUT_GATEWAY", GATEWAY),
            worker=_endpoint(environ, "ROLLOUT_WORKER", WORKER),
            database=environ.get("ROLLOUT_DATABASE", ""),
            temporal=environ.get("TEMPORAL_ADDRESS") or None,
            temporal_ui=environ.get("ROLLOUT_TEMPORAL_UI") or None,
            namespace=environ.get("ROLLOUT_NAMESPACE") or "rollout",
            heartbeat_seconds=_number(environ.get("ROLLOUT_HEARTBEAT") or "60"),
            supervised=_flag(environ.get("ROLLOUT_SUPERVISED") or _NO),
        )

    def to_environment(self) -> dict[str, str]:
        """Write settings as the variables that `from_environment` reads; nothing else."""
        told = {
            "ROLLOUT_DATA": str(self.data),
            "ROLLOUT_API": str(self.api),
            "ROLLOUT_GATEWAY": str(self.gateway),
            "ROLLOUT_WORKER": str(self.worker),
            "ROLLOUT_DATABASE": self.database,
            "TEMPORAL_ADDRESS": self.temporal or "",
            "ROLLOUT_TEMPORAL_UI": self.temporal_ui or "",
            "ROLLOUT_NAMESPACE": self.namespace,
            "ROLLOUT_HEARTBEAT": repr(self.heartbeat_seconds),
            "ROLLOUT_SUPERVISED": _YES if self.supervised else _NO,
        }
        return {name: value for name, value in told.items() if value}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _endpoint(environ: Mapping[str, str], name: str, otherwise: Endpoint) -> Endpoint:
    text = environ.get(name)
    return Endpoint.parse(text, name) if text else otherwise


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidError(f"ROLLOUT_HEARTBEAT must be a number of seconds, not {text!r}", slug="heartbeat") from None


def _flag(text: str) -> bool:
    if text not in {_YES, _NO}:
        raise InvalidError(f"ROLLOUT_SUPERVISED must be {_YES} or {_NO}, not {text!r}", slug="supervised")
    return text == _YES
