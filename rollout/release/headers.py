"""Headers of a zip, read so that every reader finds the same members.

Source: PKWARE APPNOTE 6.3.10, sections 4.3.7 (local), 4.3.9 (data descriptor), 4.3.12 (central),
4.3.16 (end). Stricter than it: the archive begins with its first member, members and directory
follow each other without a gap, nothing follows the end record, and no zip64. So no byte is hidden,
no two members share bytes, and readers that trust the local or the central header agree.
Stdlib's zipfile is no help here: it skips gaps and prefixes, and cuts names at NUL.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from rollout.release.refusal import refuse

MOST_MEMBERS = 4096

_END: Final = struct.Struct("<4s4H2LH")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_EXTRA: Final = struct.Struct("<HH")
_SIZES: Final = struct.Struct("<3L")

DESCRIPTOR = 1 << 3  # CRC and sizes follow the data, the local header holds zeros
FLAGS = 0b110 | DESCRIPTOR | 1 << 11  # deflate's effort, descriptor, UTF-8 name; encryption is none of them
METHODS = frozenset({0, 8})  # stored, deflate
_ZIP64, _UNICODE_NAME = 0x0001, 0x7075  # extra fields that replace sizes or the name


@dataclass(frozen=True, slots=True)
class Shared:
    """What the local and the central header both say of a member; sizes in bytes."""

    name: bytes
    needed: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    packed: int
    size: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A member as the central directory lists it; `external` holds file type and attributes."""

    shared: Shared
    external: int
    offset: int


@dataclass(frozen=True, slots=True)
class Span:
    """A member whose two headers agree, and where its packed bytes lie."""

    entry: Entry
    start: int
    end: int


def spans(package: bytes) -> list[Span]:
    """Return all members in file order; raise `SupplierError` (`archive`, `limits`) for any other layout."""
    entries, directory = _directory(package)
    found: list[Span] = []
    position = 0
    for entry in sorted(entries, key=lambda entry: entry.offset):
        if entry.offset != position:
            raise refuse("archive", f"bytes {position}..{entry.offset} are between or shared by members")
        span, position = _local(package, entry, directory)
        found.append(span)
    if position != directory:
        raise refuse("archive", f"bytes {position}..{directory} belong to no member")
    return found


def _directory(package: bytes) -> tuple[list[Entry], int]:
    """Read the end record and the central directory; return its entries and its offset."""
    if len(package) < _END.size or not package[-_END.size :].startswith(b"PK\5\6"):
        raise refuse("archive", "not a zip that ends with its end record (a comment is not allowed)")
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack_from(package, len(package) - _END.size)
    if (disk, first_disk, comment) != (0, 0, 0) or here != count:
        raise refuse("archive", "the end record tells of several disks or of a comment")
    if count > MOST_MEMBERS:
        raise refuse("limits", f"{count} members, at most {MOST_MEMBERS}")
    if offset + size != len(package) - _END.size:
        raise refuse("archive", "the central directory does not end where the end record begins")
    entries = list(_entries(package[offset : offset + size]))
    if len(entries) != count:
        raise refuse("archive", f"the end record counts {count} members, the central directory lists {len(entries)}")
    return entries, offset


def _entries(directory: bytes) -> Iterator[Entry]:
    position = 0
    while position < len(directory):
        if position + _CENTRAL.size > len(directory):
            raise refuse("archive", "the central directory is cut short")
        record = _CENTRAL.unpack_from(directory, position)
        magic, _made, *numbers, name_size, extra_size, note_size, disk, _internal, external, offset = record
        name, extra, rest = _cut(directory, position + _CENTRAL.size, name_size, extra_size)
        position = rest + note_size
        if magic != b"PK\1\2" or disk != 0 or position > len(directory):
            raise refuse("archive", "the central directory is damaged")
        _check_extra(extra)
        yield Entry(Shared(name, *numbers), external, offset)


def _local(package: bytes, entry: Entry, limit: int) -> tuple[Span, int]:
    """Compare the local header with the central one; return the span and where the next member begins."""
    if entry.offset + _LOCAL.size > limit:
        raise refuse("archive", "a member begins outside the members' bytes")
    magic, *numbers, name_size, extra_size = _LOCAL.unpack_from(package, entry.offset)
    name, extra, start = _cut(package, entry.offset + _LOCAL.size, name_size, extra_size)
    _check_extra(extra)
    local, end = Shared(name, *numbers), start + entry.shared.packed
    if magic != b"PK\3\4" or end > limit:
        raise refuse("archive", f"the local header of {entry.shared.name!r} is damaged")
    if local not in _allowed(entry.shared):
        raise refuse("archive", f"local and central header of {entry.shared.name!r} disagree")
    following = _after_descriptor(package, entry.shared, end) if entry.shared.flags & DESCRIPTOR else end
    return Span(entry, start, end), following


def _allowed(central: Shared) -> tuple[Shared, ...]:
    """Return what the local header may say: the same, or no sizes yet where a descriptor follows."""
    if not central.flags & DESCRIPTOR:
        return (central,)
    return central, replace(central, crc=0, packed=0, size=0)


def _after_descriptor(package: bytes, shared: Shared, position: int) -> int:
    """Skip the data descriptor, with or without its optional magic; it must repeat the central header."""
    expected = _SIZES.pack(shared.crc, shared.packed, shared.size)
    for descriptor in (b"PK\7\10" + expected, expected):
        if package.startswith(descriptor, position):
            return position + len(descriptor)
    raise refuse("archive", f"the data descriptor of {shared.name!r} disagrees with the central header")


def _cut(data: bytes, position: int, name_size: int, extra_size: int) -> tuple[bytes, bytes, int]:
    middle, end = position + name_size, position + name_size + extra_size
    if end > len(data):
        raise refuse("archive", "a member's name or extra field is cut short")
    return data[position:middle], data[middle:end], end


def _check_extra(extra: bytes) -> None:
    """Refuse extra fields that speak of other sizes or another name, and damaged ones."""
    position = 0
    while position < len(extra):
        if position + _EXTRA.size > len(extra):
            raise refuse("archive", "an extra field is damaged")
        kind, size = _EXTRA.unpack_from(extra, position)
        position += _EXTRA.size + size
        if kind in {_ZIP64, _UNICODE_NAME} or position > len(extra):
            raise refuse("archive", f"the extra field 0x{kind:04x} is damaged or not allowed")
