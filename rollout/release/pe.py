"""Facts of a driver image (PE32+), each read within bounds.

Source: Microsoft "PE Format", sections COFF File Header, Optional Header, Section Table, The Attribute
Certificate Table. Only facts: whether they fit a release is `driver.py`'s question.
"""

import struct
from dataclasses import dataclass
from typing import Final

MACHINES: Final = {0x8664: "x64", 0xAA64: "arm64"}
NATIVE: Final = 1  # IMAGE_SUBSYSTEM_NATIVE: what the kernel loads
MOST_SECTIONS: Final = 96  # the Windows loader's own limit
MOST_PADDING: Final = 7  # a certificate is padded to 8 bytes

_DOS_SIZE: Final = 64
_COFF: Final = struct.Struct("<4s2HL2L2H")
_OPTIONAL_SIZE: Final = 112  # PE32+ without its data directories
_DIRECTORY: Final = struct.Struct("<2L")
_SECURITY: Final = 4  # index of the certificate table among the data directories
_MOST_DIRECTORIES: Final = 16
_SECTION_SIZE: Final = 40
_CERTIFICATE: Final = struct.Struct("<L2H")
_PKCS_SIGNED_DATA: Final = (0x0200, 0x0002)  # WIN_CERT_REVISION_2_0, WIN_CERT_TYPE_PKCS_SIGNED_DATA


class PeError(ValueError):
    """Not a well-formed x64 or ARM64 PE32+ image; the text says where."""


class CertificateError(ValueError):
    """The certificate table is not exactly one certificate that ends the file."""


@dataclass(frozen=True, slots=True)
class PeFacts:
    """What the headers say; `certificates` is (file offset, bytes) of the table, None where there is none."""

    machine: str
    subsystem: int
    timestamp: int
    size_of_image: int
    checksum: int
    certificates: tuple[int, int] | None


def read(image: bytes) -> PeFacts:
    """Read the headers; raise `PeError` for anything but a PE32+ image of x64 or ARM64."""
    if len(image) < _DOS_SIZE or not image.startswith(b"MZ"):
        raise PeError("no MZ header")
    start = int.from_bytes(image[0x3C:0x40], "little")
    if start < _DOS_SIZE or start + _COFF.size > len(image):
        raise PeError(f"the PE header at 0x{start:x} lies outside the file")
    magic, machine, sections, timestamp, _, _, size, _ = _COFF.unpack_from(image, start)
    if magic != b"PE\0\0":
        raise PeError("no PE signature")
    if machine not in MACHINES:
        raise PeError(f"machine 0x{machine:04x} is neither x64 nor ARM64")
    optional = start + _COFF.size
    if size < _OPTIONAL_SIZE or optional + size > len(image):
        raise PeError("the optional header is cut short")
    header = image[optional : optional + size]
    if header[:2] != b"\x0b\x02":
        raise PeError("the optional header is not that of PE32+")
    _check_sections(image, optional + size, sections)
    return PeFacts(
        machine=MACHINES[machine],
        subsystem=int.from_bytes(header[68:70], "little"),
        timestamp=timestamp,
        size_of_image=int.from_bytes(header[56:60], "little"),
        checksum=int.from_bytes(header[64:68], "little"),
        certificates=_certificates(header, len(image)),
    )


def certificate(image: bytes, facts: PeFacts) -> bytes | None:
    """Return the one WIN_CERTIFICATE's PKCS #7 bytes, None for an unsigned image; raise `CertificateError`."""
    if facts.certificates is None:
        return None
    offset, size = facts.certificates
    if offset + size != len(image) or offset % 8 or size < _CERTIFICATE.size:
        raise CertificateError("the certificate table does not end the file, or is not aligned")
    length, revision, kind = _CERTIFICATE.unpack_from(image, offset)
    padding = image[offset + length :]
    if not _CERTIFICATE.size <= length <= size or len(padding) > MOST_PADDING or any(padding):
        raise CertificateError("the certificate table is not one certificate with at most 7 zero bytes after it")
    if (revision, kind) != _PKCS_SIGNED_DATA:
        raise CertificateError(f"certificate revision 0x{revision:04x} type 0x{kind:04x} is not PKCS signed data")
    return image[offset + _CERTIFICATE.size : offset + length]


def _check_sections(image: bytes, table: int, count: int) -> None:
    if not 0 < count <= MOST_SECTIONS or table + count * _SECTION_SIZE > len(image):
        raise PeError(f"a table of {count} sections does not fit")
    for number in range(count):
        size, offset = _DIRECTORY.unpack_from(image, table + number * _SECTION_SIZE + 16)
        if size and offset + size > len(image):
            raise PeError(f"section {number} lies outside the file")


def _certificates(header: bytes, length: int) -> tuple[int, int] | None:
    count = int.from_bytes(header[108:112], "little")
    if count > _MOST_DIRECTORIES or _OPTIONAL_SIZE + count * _DIRECTORY.size > len(header):
        raise PeError(f"{count} data directories do not fit the optional header")
    if count <= _SECURITY:
        return None
    offset, size = _DIRECTORY.unpack_from(header, _OPTIONAL_SIZE + _SECURITY * _DIRECTORY.size)
    if (offset, size) == (0, 0):
        return None
    if offset + size > length:
        raise PeError("the certificate table lies outside the file")
    return offset, size
