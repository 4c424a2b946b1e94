"""Signed metadata and packages as static files. Names are matched whole: nothing outside the folders is reachable."""

import re
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from rollout.errors import NotFoundError

IMMUTABLE: Final = "public, max-age=31536000, immutable"
_RING: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_FILE: Final = re.compile(r"(?:[1-9][0-9]{0,18}\.(?:root|snapshot|targets)|timestamp|root)\.json", re.ASCII)
_TARGET: Final = re.compile(
    r"[a-z0-9][a-z0-9-]{0,62}/[0-9]{1,19}/[0-9a-f]{64}\.zip"
    r"|rings/[a-z0-9][a-z0-9-]{0,62}/[0-9]{1,19}\.json|directors/[a-z0-9][a-z0-9-]{0,62}/root\.json",
    re.ASCII,
)


class Files:
    """Serves `<data>/metadata` and `<data>/targets`."""

    def __init__(self, data: Path) -> None:
        self._metadata = data / "metadata"
        self._targets = data / "targets"

    async def director(self, request: Request) -> Response:
        """`/metadata/director/<ring>/<file>`."""
        ring, file = request.path_params["ring"], request.path_params["file"]
        if not _RING.fullmatch(ring):
            raise _absent()
        return _metadata(self._metadata / "director" / ring, file)

    async def image(self, request: Request) -> Response:
        """`/metadata/image/<file>`."""
        return _metadata(self._metadata / "image", request.path_params["file"])

    async def target(self, request: Request) -> Response:
        """`/targets/<path>`."""
        path = request.path_params["path"]
        file = self._targets / path
        if not _TARGET.fullmatch(path) or not file.is_file():
            raise _absent()
        return FileResponse(file, headers=_caching(immutable=not path.endswith("root.json")))


def _metadata(folder: Path, name: str) -> Response:
    """Metadata is small (2 MB at most, in the page cache): read at once, so that no half of a renewal is seen."""
    if not _FILE.fullmatch(name):
        raise _absent()
    try:
        content = (folder / name).read_bytes()
    except OSError:
        raise _absent() from None
    return Response(content, media_type="application/json", headers=_caching(immutable=name[0].isdigit()))


def _caching(*, immutable: bool) -> dict[str, str]:
    return {"cache-control": IMMUTABLE if immutable else "no-store"}


def _absent() -> NotFoundError:
    return NotFoundError("there is no such file", slug="not-found")
