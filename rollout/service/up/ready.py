"""Is the service ready, and where is it? What `up` waits for, and what it then says."""

import json
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from rollout.adapters.settings import Endpoint, Settings

_SECONDS = 0.5  # for one answer of /readyz; the loop that asks also restarts children


def missing(settings: Settings) -> str | None:
    """Ask both doors' /readyz, past any proxy; None if they are 200, else what the first that is not says."""
    return _missing("gateway", settings.gateway) or _missing("control API", settings.api)


def _missing(name: str, door: Endpoint) -> str | None:
    target = urlsplit(door.url)
    connection = HTTPConnection(target.hostname or door.host, target.port, timeout=_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        said = answer.read(500).decode("utf-8", errors="replace")
    except (OSError, HTTPException) as error:
        return f"the {name} does not answer ({error})"
    finally:
        connection.close()
    return None if answer.status == 200 else f"the {name} answers {answer.status}: {said}"


def places(settings: Settings) -> Mapping[str, str]:
    """Return where everything is, in the fields of INTERFACES section 5; `temporal` is an address, not a URL."""
    return {
        "api": settings.api.url,
        "gateway": settings.gateway.url,
        "console": f"{settings.api.url}/",
        "admin_token_file": str(settings.data / "admin.token"),
        "temporal": settings.temporal or "",
        "data": str(settings.data),
    }


def as_json(found: Mapping[str, str]) -> None:
    """Write one line to stdout, and nothing else ever."""
    print(json.dumps({"schema": "rollout.up/1", **found}), flush=True)  # noqa: T201 - data goes to stdout


def as_words(found: Mapping[str, str]) -> None:
    """Tell a person, on stderr."""
    lines = ["ready. Ctrl-C ends it; everything is kept.", *(f"  {name:<17} {place}" for name, place in found.items())]
    lines.append("  Keys under keys/ are development keys: only hosts on this machine accept them.")
    print("\n".join(lines), file=sys.stderr, flush=True)  # noqa: T201 - words go to stderr
