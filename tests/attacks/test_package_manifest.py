"""A manifest that can be read two ways, or that says less than all, is no description of a release."""

import json

import pytest

from rollout.errors import SupplierError
from rollout.release import intake
from rollout.release.trust import DEVELOPMENT
from tests.attacks import hostile_package as craft

GOOD = json.dumps(craft.manifest())


def with_manifest(text: str | bytes) -> bytes:
    data = text if isinstance(text, bytes) else text.encode()
    return craft.archive({"manifest.json": data, **craft.PAYLOAD})


def test_a_good_content_package_is_verified():
    package = craft.package()
    verified = intake.verify(package, DEVELOPMENT)
    assert (verified.manifest.product, verified.manifest.release_counter) == ("sensor", 291)
    assert verified.length == len(package)
    assert verified.manifest.document() == craft.manifest()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        GOOD + GOOD,
        GOOD[:-1],
        GOOD.replace('"floor": 0', '"floor": 0, "floor": 0'),
        GOOD.replace('"fields": 0', '"fields": 0, "fields": 9'),
        GOOD.replace('"floor": 0', '"floor": 0.0'),
        GOOD.replace('"floor": 0', '"floor": 0e0'),
        GOOD.replace('"floor": 0', '"floor": NaN'),
        GOOD.replace('"floor": 0', '"floor": -Infinity'),
        GOOD.replace('"floor": 0', '"floor": -1'),
        GOOD.replace('"floor": 0', '"floor": -0'),
        GOOD.replace('"release_counter": 291', f'"release_counter": {2**53 + 1}'),
        GOOD.replace('"floor": 0', '"floor": ' + "9" * 9999),
        GOOD.replace('"floor": 0', '"floor": ' + "[" * 99_999),
        GOOD.replace("7.16.1", "\\ud800"),
        b"\xff\xfe" + GOOD.encode("utf-16-le"),
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace('"files": [', '"files": [' + "0," * 100_000),
    ],
)
def test_json_that_readers_disagree_about_is_refused(text):
    assert set(craft.refused(with_manifest(text))) == {"manifest"}


@pytest.mark.parametrize("field", [f for f in craft.manifest() if f != "content"])
def test_every_field_is_required(field):
    assert craft.refused(craft.package(**{field: None})) == ["manifest"]


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": "rollout.release/2"},
        {"product": "Sensor"},
        {"product": "rings"},
        {"product": "directors"},
        {"product": "a\n"},
        {"version": ""},
        {"version": "1\x1b[2J"},
        {"release_counter": True},
        {"release_counter": "291"},
        {"floor": 292},
        {"kind": "hotfix"},
        {"hardware": []},
        {"hardware": "*"},
        {"hardware": [""]},
        {"os_builds": [2, 1]},
        {"os_builds": [1]},
        {"os_builds": [1, 2, 3]},
        {"needs_reboot": 0},
        {"builds": [{"name": "a.sys", "timestamp": 1, "size": 2}]},
        {"content": None},
        {"content": {"schema_id": "opaque", "fields": 0, "more": 1}},
        {"kind": "driver"},
        {"rollback_to": "290"},
        {"notes": 5},
        {"bypass": True},
    ],
    ids=str,
)
def test_fields_that_are_unknown_ill_typed_or_contradict_each_other_are_refused(changes):
    assert set(craft.refused(craft.package(**changes))) == {"manifest"}


def test_every_wrong_field_is_told_at_once():
    assert craft.refused(craft.package(product="X", version="", hardware=[])) == ["manifest"] * 3


def test_a_package_without_a_manifest_is_refused():
    assert craft.refused(craft.archive(craft.PAYLOAD)) == ["manifest"]


def test_a_manifest_too_large_to_be_one_is_refused():
    assert craft.refused(with_manifest(GOOD + " " * 5_000_000)) == ["limits"]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([], "files"),
        ([craft.file("channel/291.bin", b"\xaa" * 4), craft.file("missing.bin", b"")], "files"),
        ([craft.file("channel/291.bin", b"\xaa" * 4)] * 2, "files"),
        ([craft.file("CHANNEL/291.bin", b"\xaa" * 4)], "files"),
        ([craft.file("channel/291.bin", b"\xaa" * 4, length=5)], "length"),
        ([craft.file("channel/291.bin", b"\xab" * 4)], "hash"),
    ],
    ids=["unlisted", "missing", "twice", "case", "length", "hash"],
)
def test_files_list_exactly_what_the_package_holds(files, code):
    assert set(craft.refused(craft.package(files=files))) == {code}


def test_the_manifest_cannot_list_itself():
    files = [*craft.manifest()["files"], craft.file("manifest.json", b"")]
    assert craft.refused(craft.package(files=files)) == ["files"]


def test_what_a_supplier_wrote_cannot_command_a_terminal():
    with pytest.raises(SupplierError) as refused:
        intake.verify(craft.package(files=[craft.file("\x1b[2J\u202e", b"")]), DEVELOPMENT)
    told = str(refused.value) + "".join(problem.detail for problem in refused.value.problems)
    assert told.isprintable()
