"""Build a package, `rollout release new`: the same files and facts give the same bytes, everywhere.

A release is its bytes for ever, so nothing of the day or the machine enters them.
"""

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rollout.crash.identity import ImageIdentity
from rollout.release import archive, driver, manifest, pe
from rollout.release.refusal import refuse

ROLES = {".sys": "sys", ".inf": "inf", ".cat": "cat"}  # by ending; anything else is content
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date a zip can hold


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person says of a new release; defaults of INTERFACES section 5, `os_builds` inclusive."""

    product: str
    release_counter: int
    version: str
    kind: Literal["driver", "content"]
    floor: int = 0
    hardware: tuple[str, ...] = ("*",)
    os_builds: tuple[int, int] = (0, 4_294_967_295)
    needs_reboot: bool = False
    rollback_to: int | None = None
    schema_id: str = "opaque"  # of kind content only, as `fields`
    fields: int = 0
    builds: tuple[ImageIdentity, ...] = ()  # of the interpreter driver that reads this content
    notes: str | None = None


def build(draft: Draft, payload: Mapping[str, bytes]) -> bytes:
    """Return the package of `payload` (bytes by path); raise `SupplierError` where it could not be read back.

    A `.sys` gets its `builds` entry from its own headers. What depends on a trust folder is not checked.
    """
    document = json.dumps(_document(draft, payload), indent=2).encode()
    manifest.parse(document)
    package = _zip({manifest.NAME: document, **{path: payload[path] for path in sorted(payload)}})
    archive.members(package)
    return package


def _document(draft: Draft, payload: Mapping[str, bytes]) -> dict[str, Any]:
    if manifest.NAME in payload:
        raise refuse("files", f"{manifest.NAME} is written here and cannot be part of the payload")
    images = [_identity(path, payload[path]) for path in sorted(payload) if driver.is_driver(path)]
    found: dict[str, Any] = {
        "schema": manifest.SCHEMA,
        "product": draft.product,
        "version": draft.version,
        "release_counter": draft.release_counter,
        "floor": draft.floor,
        "kind": draft.kind,
        "hardware": list(draft.hardware),
        "os_builds": list(draft.os_builds),
        "needs_reboot": draft.needs_reboot,
        "files": [_file(path, payload[path]) for path in sorted(payload)],
        "builds": [_build(image) for image in (*images, *draft.builds)],
    }
    if draft.kind == "content":
        found["content"] = {"schema_id": draft.schema_id, "fields": draft.fields}
    optional = {"rollback_to": draft.rollback_to, "notes": draft.notes}
    return found | {field: value for field, value in optional.items() if value is not None}


def _file(path: str, data: bytes) -> dict[str, Any]:
    role = ROLES.get(path[-4:].lower(), "content")
    return {"path": path, "length": len(data), "sha256": hashlib.sha256(data).hexdigest(), "role": role}


def _build(image: ImageIdentity) -> dict[str, Any]:
    return {"name": image.name, "timestamp": image.timestamp, "size": image.size, "checksum": image.checksum}


def _identity(path: str, image: bytes) -> ImageIdentity:
    try:
        facts = pe.read(image)
    except pe.PeError as error:
        raise refuse("pe", f"{path}: {error}") from error
    return ImageIdentity(path, facts.timestamp, facts.size_of_image, facts.checksum)


def _zip(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # Unix, on every system, so that the file type below is read
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_STORED  # two builds of zlib pack the same bytes differently
            package.writestr(info, data)
    return buffer.getvalue()
