"""Releases: take a package in, show what is stored."""

from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from rollout.errors import NotFoundError, SurroundingsError
from rollout.operation import intake
from rollout.operation.view import instant
from rollout.ports.release import ReleaseRecord
from rollout.release import target, trust
from rollout.release.intake import Verified, verify
from rollout.service.api import body
from rollout.service.api.access import Anybody, Releaser, Surroundings
from rollout.service.api.context import Api

router = APIRouter()


@router.post("/releases")
async def add(person: Releaser, package: body.Package, api: Surroundings) -> JSONResponse:
    """Verify a package and keep it for ever."""
    verified = await api.run_slow(partial(_verified, api, package))
    await api.read(partial(intake.refuse_other, verified=verified))
    made = verified.manifest
    path = target.path(made.product, made.release_counter, verified.sha256)
    await api.run_slow(partial(api.packages.put, path, package))
    _, created = await api.write(partial(intake.store_release, verified=verified, person=person.name))
    told = {"product": made.product, "release_counter": made.release_counter, "sha256": verified.sha256}
    return JSONResponse(told, 201 if created else 200)


@router.get("/releases")
async def listed(_person: Anybody, api: Surroundings) -> JSONResponse:
    """List what is stored."""
    found = await api.read(lambda tx: tx.releases.all())
    return JSONResponse({"releases": [_shown(record) for record in found]})


@router.get("/releases/{product}/{counter}")
async def one(product: str, counter: int, _person: Anybody, api: Surroundings) -> JSONResponse:
    """Show one release with its manifest."""
    record = await api.read(lambda tx: tx.releases.get(product, counter)) if 0 <= counter < 2**63 else None
    if record is None:
        raise NotFoundError(f"{product}/{counter} is not stored", slug="no-release")
    return JSONResponse({**_shown(record), "manifest": record.manifest})


def _verified(api: Api, package: bytes) -> Verified:
    """Verify against the trust folder as it is now: its policy may be edited while we run."""
    path = api.settings.data / "trust" / trust.NAME
    try:
        policy = trust.parse(path.read_bytes())
    except OSError as error:
        raise SurroundingsError(f"the trust policy {path} cannot be read: {error.strerror}", slug="trust") from error
    return verify(package, policy)


def _shown(record: ReleaseRecord) -> dict[str, Any]:
    return {
        "product": record.product,
        "release_counter": record.counter,
        "version": record.version,
        "kind": record.kind,
        "floor": record.floor,
        "sha256": record.sha256,
        "length": record.length,
        "added_at": instant(record.added_at),
        "added_by": record.added_by,
    }
