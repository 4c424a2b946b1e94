"""A zip that two readers read differently is two releases; a zip that explodes is an outage."""

import io
import struct
import warnings
import zipfile
import zlib

import pytest

from rollout.errors import SupplierError
from rollout.release import archive
from rollout.release.headers import MOST_MEMBERS
from tests.attacks import hostile_package as craft

LOCAL_FIELDS = {"needed": 4, "flags": 6, "method": 8, "time": 10, "date": 12, "crc": 14, "packed": 18, "size": 22}


def read(package: bytes) -> dict[str, bytes]:
    return archive.members(package)


def codes(package: bytes) -> set[str]:
    with pytest.raises(SupplierError) as refused:
        archive.members(package)
    return {problem.code for problem in refused.value.problems}


def one(name: str = "a.bin", data: bytes = b"content of a", **info: object) -> bytes:
    buffer = io.BytesIO()
    entry = zipfile.ZipInfo(name)
    for field, value in info.items():
        setattr(entry, field, value)
    with zipfile.ZipFile(buffer, "w") as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.writestr(entry, data)
    return buffer.getvalue()


def patched(package: bytes, position: int, value: bytes) -> bytes:
    return package[:position] + value + package[position + len(value) :]


def central(package: bytes) -> int:
    return struct.unpack_from("<L", package, len(package) - 6)[0]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stored_and_deflated_members_come_back_whole(method):
    members = {"a.bin": b"x" * 5000, "folder/b.bin": b"", "folder/c.csv": b"1,2\n"}
    assert read(craft.archive(members, method)) == members


def test_a_package_written_to_a_pipe_is_read_by_its_data_descriptors():
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.sent = b""

        def writable(self):
            return True

        def write(self, data):
            self.sent += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.bin", b"streamed" * 100)
        made.writestr("b.bin", b"again")
    assert read(pipe.sent) == {"a.bin": b"streamed" * 100, "b.bin": b"again"}
    descriptor = pipe.sent.index(b"PK\7\10")
    assert codes(patched(pipe.sent, descriptor + 4, b"\1\2\3\4")) == {"archive"}


@pytest.mark.parametrize("field", LOCAL_FIELDS)
def test_a_local_header_that_tells_another_story_than_the_central_one_is_refused(field):
    package = one()
    position = LOCAL_FIELDS[field]
    assert codes(patched(package, position, bytes([package[position] ^ 1]))) == {"archive"}


def test_another_name_in_the_local_header_is_refused():
    assert codes(patched(one("good.bin"), 30, b"evil.sys")) == {"archive"}


@pytest.mark.parametrize(
    "package",
    [
        b"",
        b"PK",
        b"not a zip at all" * 10,
        one()[:-1],
        one() + b"\0",
        b"MZ prefix" + one(),
        one()[: central(one())] + b"gap" + one()[central(one()) :],
    ],
    ids=["empty", "two bytes", "text", "cut short", "trailing byte", "prefix", "gap before directory"],
)
def test_bytes_that_belong_to_no_member_are_refused(package):
    assert codes(package) == {"archive"}


def test_a_member_hidden_between_two_listed_ones_is_refused():
    first, hidden = one("a.bin"), one("hidden.sys")
    end = bytearray(first[-22:])
    middle = first[: central(first)] + hidden[: central(hidden)]
    struct.pack_into("<L", end, 16, len(middle))
    assert codes(middle + first[central(first) : -22] + bytes(end)) == {"archive"}


def test_two_entries_over_the_same_bytes_are_refused():
    package = one()
    entry, end = package[central(package) : -22], bytearray(package[-22:])
    struct.pack_into("<2H2L", end, 8, 2, 2, 2 * len(entry), central(package))
    assert codes(package[: central(package)] + entry * 2 + bytes(end)) == {"archive"}


def test_a_zip_comment_is_refused():
    package = one()
    assert codes(package[:-2] + b"\4\0ABCD") == {"archive"}


@pytest.mark.parametrize("position", [4, 6, 8, 10, 12, 16, 20], ids=lambda at: f"end record byte {at}")
def test_an_end_record_that_does_not_fit_the_directory_is_refused(position):
    package = one()
    at = len(package) - 22 + position
    assert codes(patched(package, at, bytes([package[at] ^ 1]))) == {"archive"}


def packed_as(packed: bytes, data: bytes) -> bytes:
    """A zip whose only member announces `data` and holds `packed` as its deflate stream."""
    shared = struct.pack("<5H3L2H", 20, 0, 8, 0, 33, zlib.crc32(data), len(packed), len(data), 1, 0)
    entry = b"PK\1\2" + struct.pack("<H", 20) + shared + struct.pack("<3H2L", 0, 0, 0, 0, 0) + b"a"
    local = b"PK\3\4" + shared + b"a" + packed
    return local + entry + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(local), 0)


def test_a_deflate_stream_ends_exactly_where_its_member_ends():
    data = b"content " * 50
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    unfinished = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
    whole = unfinished + stream.flush()
    assert read(packed_as(whole, data)) == {"a": data}
    assert codes(packed_as(whole + b"hidden", data)) == {"archive"}
    assert codes(packed_as(unfinished, data)) == {"archive"}
    assert codes(packed_as(b"\xff" + whole, data)) == {"archive"}


def encrypted() -> bytes:
    package = patched(one(), 6, b"\1\0")
    return patched(package, central(package) + 8, b"\1\0")


@pytest.mark.parametrize(
    "package",
    [
        one(external_attr=0o120777 << 16),
        one(external_attr=0o020644 << 16),
        one(external_attr=0x10),
        one(compress_type=zipfile.ZIP_BZIP2),
        one(compress_type=zipfile.ZIP_LZMA),
        one(extra=struct.pack("<2H5s", 0x7075, 5, b"\1abcd")),
        one(extra=struct.pack("<2H16s", 0x0001, 16, bytes(16))),
        one(extra=b"\1\2\3"),
        encrypted(),
        patched(one(), 30 + 5, b"X"),
    ],
    ids=["symlink", "device", "folder", "bzip2", "lzma", "unicode path", "zip64", "bad extra", "encrypted", "bad crc"],
)
def test_only_plain_members_are_read(package):
    assert codes(package) == {"archive"}


@pytest.mark.parametrize(
    "name",
    [
        "../evil.sys",
        "a/../b",
        "/absolute",
        "./a",
        "a//b",
        "a/",
        "a\\b",
        "C:evil",
        "a:stream",
        "nul",
        "drivers/CON.sys",
        "com1 .txt",
        "CONOUT$",
        "trailing.",
        "trailing /a",
        "caf\u00e9",
        "bell\x07",
        "n" * 513,
    ],
)
def test_a_name_that_some_system_would_store_elsewhere_is_refused(name):
    assert codes(one(name.replace("\\", "?")).replace(b"a?b", b"a\\b")) <= {"path"}


def test_a_name_with_a_null_byte_is_refused():
    assert codes(one("evil.sys_.txt").replace(b"evil.sys_", b"evil.sys\0")) == {"path"}


@pytest.mark.parametrize("names", [("Driver.bin", "driver.BIN"), ("same", "same"), ("a", "A/b")])
def test_two_names_that_are_one_on_windows_are_refused(names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            made.writestr(zipfile.ZipInfo(name), b"")
    assert codes(buffer.getvalue()) == {"path"}


def test_a_bomb_is_refused_by_what_it_announces():
    assert codes(craft.archive({"bomb": bytes(64 * 1024 * 1024)})) == {"limits"}


def test_a_bomb_that_lies_about_its_size_is_never_unpacked_beyond_its_lie():
    package = craft.archive({"bomb": bytes(32 * 1024 * 1024)})
    lie = zlib.crc32(bytes(10)).to_bytes(4, "little")
    for position in (14, central(package) + 16):
        package = patched(package, position, lie)
    for position in (22, central(package) + 24):
        package = patched(package, position, (10).to_bytes(4, "little"))
    assert codes(package) == {"archive"}


def test_too_many_members_are_refused_and_the_limit_itself_is_not():
    assert len(read(craft.archive({f"m{n}": b"" for n in range(MOST_MEMBERS)}, zipfile.ZIP_STORED))) == MOST_MEMBERS
    too_many = craft.archive({f"m{n}": b"" for n in range(MOST_MEMBERS + 1)}, zipfile.ZIP_STORED)
    assert codes(too_many) == {"limits"}


def test_a_package_above_the_largest_size_is_refused_unread():
    assert codes(bytes(archive.LARGEST + 1)) == {"limits"}
