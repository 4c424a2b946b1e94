import zipfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.crash.identity import ImageIdentity
from rollout.errors import SupplierError
from rollout.release import intake, manifest
from rollout.release.archive import members
from rollout.release.build import Draft, build
from rollout.release.trust import DEVELOPMENT
from tests.attacks import hostile_package as craft

DRAFT = Draft("sensor", 2, "2.0", "content")
PATHS = st.lists(st.text("abz", min_size=1, max_size=4), unique=True, min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(PATHS, st.data())
def test_the_same_files_give_the_same_bytes_and_intake_takes_them(paths, data):
    payload = {path: data.draw(st.binary(max_size=40)) for path in paths}
    package = build(DRAFT, payload)
    assert build(DRAFT, dict(reversed(payload.items()))) == package
    verified = intake.verify(package, DEVELOPMENT)
    assert {file.path: file.length for file in verified.manifest.files} == {p: len(d) for p, d in payload.items()}


def test_the_defaults_are_those_of_the_interface():
    found = intake.verify(build(DRAFT, {"a.bin": b"a"}), DEVELOPMENT).manifest
    assert (found.floor, found.hardware, found.os_builds, found.needs_reboot) == (0, ("*",), (0, 4294967295), False)
    assert (found.content, found.rollback_to) == (manifest.Content(schema_id="opaque", fields=0), None)


def test_what_a_person_says_is_in_the_manifest():
    reader = ImageIdentity("csagent.sys", 1, 2, 3)
    draft = replace(DRAFT, floor=1, rollback_to=1, schema_id="ipc", fields=2, builds=(reader,), notes="why")
    found = intake.verify(build(draft, {"a.csv": b"1,2\n"}), craft.trust(content_schemas={"ipc": 2})).manifest
    assert (found.floor, found.rollback_to, found.notes, found.images) == (1, 1, "why", (reader,))


def test_a_driver_gets_its_role_and_its_identity_from_its_own_headers():
    package = build(replace(DRAFT, kind="driver"), {"a.inf": b"", "a.cat": b"", "A.SYS": craft.image(), "a.txt": b""})
    found = manifest.parse(members(package)["manifest.json"])
    assert {file.path: file.role for file in found.files} == {
        "A.SYS": "sys",
        "a.cat": "cat",
        "a.inf": "inf",
        "a.txt": "content",
    }
    assert found.images == (ImageIdentity("A.SYS", 0x5F3B, 0x6000, 0xBEEF),)
    assert craft.refused(package) == ["unsigned"]


@pytest.mark.parametrize(
    ("draft", "payload", "code"),
    [
        (DRAFT, {"a.sys": b"no image"}, "pe"),
        (DRAFT, {"manifest.json": b"{}"}, "files"),
        (DRAFT, {"../a": b""}, "path"),
        (DRAFT, {"a": b"", "A": b""}, "path"),
        (replace(DRAFT, product="Sensor"), {"a": b""}, "manifest"),
        (replace(DRAFT, floor=3), {"a": b""}, "manifest"),
    ],
)
def test_a_package_that_intake_could_not_read_is_not_built(draft, payload, code):
    with pytest.raises(SupplierError) as refused:
        build(draft, payload)
    assert code in {problem.code for problem in refused.value.problems}


def test_other_programs_can_open_the_package(tmp_path):
    (tmp_path / "package.zip").write_bytes(build(DRAFT, {"a/b.bin": b"bytes"}))
    with zipfile.ZipFile(tmp_path / "package.zip") as package:
        assert package.testzip() is None
        assert package.read("a/b.bin") == b"bytes"
