"""Packages made by hand: a good one, and the parts of which the hostile ones are made."""

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Mapping

from rollout.errors import SupplierError
from rollout.release import intake
from rollout.release.trust import DEVELOPMENT, TrustPolicy

PAYLOAD = {"channel/291.bin": b"\xaa\xaa\xaa\xaa"}


def trust(**changes: object) -> TrustPolicy:
    return TrustPolicy.model_validate({**DEVELOPMENT.document(), **changes})


def manifest(payload: Mapping[str, bytes] = PAYLOAD, **changes: object) -> dict:
    found = {
        "schema": "rollout.release/1",
        "product": "sensor",
        "version": "7.16.1",
        "release_counter": 291,
        "floor": 0,
        "kind": "content",
        "hardware": ["*"],
        "os_builds": [19041, 26100],
        "needs_reboot": False,
        "files": [file(path, data) for path, data in payload.items()],
        "builds": [],
        "content": {"schema_id": "opaque", "fields": 0},
    } | changes
    return {field: value for field, value in found.items() if value is not None}


def file(path: str, data: bytes, **changes: object) -> dict:
    role = "sys" if path.endswith(".sys") else "content"
    return {"path": path, "length": len(data), "sha256": hashlib.sha256(data).hexdigest(), "role": role} | changes


def archive(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, data in members.items():
            made.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def package(payload: Mapping[str, bytes] = PAYLOAD, **changes: object) -> bytes:
    return archive({"manifest.json": json.dumps(manifest(payload, **changes)).encode(), **payload})


def refused(package: bytes, policy: TrustPolicy = DEVELOPMENT) -> list[str]:
    """Codes of the problems a package is refused with; empty when it is accepted."""
    try:
        intake.verify(package, policy)
    except SupplierError as error:
        return [problem.code for problem in error.problems] or ["a refusal without a reason"]
    return []


def image(
    *, machine=0x8664, subsystem=1, timestamp=0x5F3B, size=0x6000, checksum=0xBEEF, magic=0x20B, certificate=b""
) -> bytes:
    """A small driver image; `certificate` is appended as its certificate table."""
    body = b"\xcc" * 0x200
    coff = struct.pack("<4s2HL2L2H", b"PE\0\0", machine, 1, timestamp, 0, 0, 240, 0x22)
    optional = bytearray(240)
    struct.pack_into("<H", optional, 0, magic)
    struct.pack_into("<L", optional, 56, size)
    struct.pack_into("<L", optional, 64, checksum)
    struct.pack_into("<H", optional, 68, subsystem)
    struct.pack_into("<L", optional, 108, 16)
    if certificate:
        struct.pack_into("<2L", optional, 112 + 4 * 8, 0x400, len(certificate))
    section = struct.pack("<8s6L2HL", b".text", 0x200, 0x1000, 0x200, 0x200, 0, 0, 0, 0, 0x60000020)
    dos = b"MZ" + bytes(58) + (64).to_bytes(4, "little")
    return (dos + coff + bytes(optional) + section).ljust(0x200, b"\0") + body + certificate


def win_certificate(data: bytes, *, revision: int = 0x0200, kind: int = 2, padding: bytes | None = None) -> bytes:
    found = struct.pack("<L2H", 8 + len(data), revision, kind) + data
    return found + (bytes(-len(found) % 8) if padding is None else padding)


def build_of(path: str, **changes: object) -> dict:
    return {"name": path, "timestamp": 0x5F3B, "size": 0x6000, "checksum": 0xBEEF} | changes
