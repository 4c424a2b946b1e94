"""No driver image enters without a verified signature, under any name, role or kind."""

import pytest

from rollout.release import pe
from tests.attacks import hostile_package as craft

PATH = "x64/sensor.sys"


def refused(image: bytes, path: str = PATH, **changes: object) -> list[str]:
    described = {"kind": "driver", "content": None, "builds": [craft.build_of(path)]} | changes
    return craft.refused(craft.package({path: image}, **described))


@pytest.mark.parametrize("image", [craft.image(), craft.image(machine=0xAA64)], ids=["x64", "arm64"])
def test_a_driver_without_a_signature_is_refused_for_that_alone(image):
    assert refused(image) == ["unsigned"]


def test_a_signature_that_nothing_verified_is_no_signature():
    assert refused(craft.image(certificate=craft.win_certificate(b"PKCS #7"))) == ["unsigned"]


def test_a_driver_in_a_content_package_needs_a_signature_whatever_its_role_says():
    image = craft.image()
    described = {"kind": "content", "content": {"schema_id": "opaque", "fields": 0}}
    assert refused(image, **described) == ["unsigned"]
    for path, role in ((PATH, "content"), ("sensor.SYS", "content"), ("sensor.bin", "sys")):
        files = [craft.file(path, image, role=role)]
        assert refused(image, path, files=files, **described) == ["unsigned"]


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"MZ",
        craft.image()[:0x100],
        craft.image()[:-1],
        craft.image(machine=0x14C),
        craft.image(magic=0x10B),
        craft.image(subsystem=2),
        craft.image().replace(b"PE\0\0", b"NE\0\0"),
        craft.image()[:0x3C] + b"\xff\xff\xff\xff" + craft.image()[0x40:],
        craft.image()[:0x3C] + b"\4\0\0\0" + craft.image()[0x40:],
    ],
    ids=["empty", "MZ", "headers cut", "section cut", "x86", "PE32", "GUI", "NE", "e_lfanew far", "e_lfanew near"],
)
def test_what_the_kernel_would_not_load_is_refused_as_pe(image):
    assert refused(image) == ["pe", "unsigned"]


@pytest.mark.parametrize(
    "builds",
    [
        [],
        [craft.build_of(PATH)] * 2,
        [craft.build_of("sensor.sys")],
        [craft.build_of(PATH, timestamp=1)],
        [craft.build_of(PATH, size=1)],
        [craft.build_of(PATH, checksum=1)],
    ],
    ids=["none", "two", "other name", "timestamp", "size", "checksum"],
)
def test_a_build_entry_that_crashes_would_not_match_is_refused(builds):
    assert refused(craft.image(), builds=builds) == ["build", "unsigned"]


@pytest.mark.parametrize(
    "table",
    [
        craft.win_certificate(b"pkcs", padding=b"\0\0\0\1"),
        craft.win_certificate(b"pkcs7777", padding=bytes(8)),
        craft.win_certificate(b"one two ") * 2,
        craft.win_certificate(b"pkcs", revision=0x0100),
        craft.win_certificate(b"pkcs", kind=1),
        b"\xff\xff\xff\xff\0\2\2\0",
        b"\0\0\0\0\0\2\2\0",
    ],
    ids=["padding not zero", "padding long", "two", "revision", "type", "length above", "length zero"],
)
def test_a_certificate_table_with_room_for_something_else_is_refused(table):
    assert refused(craft.image(certificate=table)) == ["signature", "unsigned"]


@pytest.mark.parametrize("more", [4, 8])
def test_bytes_after_the_certificate_table_are_refused(more):
    signed = craft.image(certificate=craft.win_certificate(b"pkcs7777"))
    assert refused(signed + bytes(more)) == ["signature", "unsigned"]


def test_headers_folded_into_each_other_are_refused():
    image = craft.image()
    folded = b"MZ\0\0" + image[64:0x200]
    folded = folded[:0x3C] + b"\4\0\0\0" + folded[0x40:]
    assert refused(folded.ljust(0x400, b"\0")) == ["pe", "unsigned"]


def test_the_certificate_is_found_where_it_ends_the_file():
    image = craft.image(certificate=craft.win_certificate(b"PKCS #7!!"))
    assert pe.certificate(image, pe.read(image)) == b"PKCS #7!!"
    assert pe.certificate(craft.image(), pe.read(craft.image())) is None
