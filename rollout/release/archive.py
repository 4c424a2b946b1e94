"""A package's members: every rule on archives of INTERFACES section 3, bounded while reading.

In: the package's bytes. Out: its members' bytes by name, or every reason why not. Nothing is unpacked
before headers, names and announced sizes are found good, and never more than was announced.
"""

import stat
import zlib
from collections.abc import Iterator, Sequence

from rollout.errors import Problem
from rollout.release import names
from rollout.release.headers import FLAGS, METHODS, Entry, Span, spans
from rollout.release.refusal import refusal, refuse

MIB = 1024 * 1024
LARGEST = 256 * MIB
LARGEST_EXPANDED = 512 * MIB
RATIO, ALLOWANCE = 200, 16 * MIB  # deflate reaches 1032:1, honest content about 20:1

_DOS_VOLUME, _DOS_FOLDER = 0x08, 0x10


def members(package: bytes) -> dict[str, bytes]:
    """Return the members' bytes by name; raise `SupplierError` with `limits`, `archive` and `path` problems."""
    if len(package) > LARGEST:
        raise refuse("limits", f"the package has {len(package)} bytes, at most {LARGEST}")
    found = spans(package)
    problems = [*_size_problems(package, found), *_entry_problems(found), *_name_problems(found)]
    if problems:
        raise refusal(problems)
    return {span.entry.shared.name.decode("ascii"): _expand(package, span) for span in found}


def _size_problems(package: bytes, found: Sequence[Span]) -> Iterator[Problem]:
    expanded = sum(span.entry.shared.size for span in found)
    limit = min(LARGEST_EXPANDED, RATIO * len(package) + ALLOWANCE)
    if expanded > limit:
        yield Problem("limits", f"the members expand to {expanded} bytes, at most {limit} for a package of this size")


def _entry_problems(found: Sequence[Span]) -> Iterator[Problem]:
    for span in found:
        reason = _irregular(span.entry)
        if reason is not None:
            yield Problem("archive", f"the member {span.entry.shared.name!r} {reason}")


def _irregular(entry: Entry) -> str | None:
    """Say why this is no regular, unencrypted, stored or deflated member, or None."""
    kind = stat.S_IFMT(entry.external >> 16)
    if kind not in {0, stat.S_IFREG} or entry.external & (_DOS_FOLDER | _DOS_VOLUME):
        return "is not a regular file"
    if entry.shared.flags & ~FLAGS:
        return f"is encrypted or of a form not read here (flags 0x{entry.shared.flags:04x})"
    if entry.shared.method not in METHODS:
        return f"is packed with method {entry.shared.method}; only stored and deflate are read"
    return None


def _name_problems(found: Sequence[Span]) -> Iterator[Problem]:
    # latin-1 maps each byte to one character: what is not ASCII stays visible and is refused
    listed = [span.entry.shared.name.decode("latin-1") for span in found]
    yield from (Problem("path", sentence) for sentence in names.problems(listed))


def _expand(package: bytes, span: Span) -> bytes:
    """Return the member's bytes; at most one byte more than announced is ever produced."""
    shared = span.entry.shared
    packed = memoryview(package)[span.start : span.end]
    data = _inflate(packed, shared.size) if shared.method else bytes(packed)
    if data is None or len(data) != shared.size or zlib.crc32(data) != shared.crc:
        raise refuse("archive", f"the member {shared.name!r} does not expand to the size and CRC it announces")
    return data


def _inflate(packed: memoryview, size: int) -> bytes | None:
    """Inflate raw deflate data; None when it is damaged, longer than `size`, or followed by other bytes."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = stream.decompress(packed, size + 1)
    except zlib.error:
        return None
    return data if stream.eof and not stream.unused_data else None
