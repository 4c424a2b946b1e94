"""Whatever bytes arrive, intake answers or refuses; it never fails in any other way."""

import io
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.release import archive, intake, pe
from rollout.release.trust import DEVELOPMENT
from tests.attacks import hostile_package as craft

DRIVER = craft.image(certificate=craft.win_certificate(b"pkcs"))
SEEDS = [
    craft.package(),
    craft.package({"a.csv": b"1,2\n", "b.jsonl": b"[1,2]\n"}),
    craft.package({"x.sys": DRIVER}, kind="driver", content=None, builds=[craft.build_of("x.sys")]),
]
EDITS = st.lists(st.tuples(st.integers(0, 2**16), st.binary(min_size=0, max_size=4), st.integers(0, 4)), max_size=4)


def mutated(data: bytes, edits: list[tuple[int, bytes, int]]) -> bytes:
    for position, put, cut in edits:
        at = position % (len(data) + 1)
        data = data[:at] + put + data[at + cut :]
    return data


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused_by_name(data):
    assert craft.refused(data)
    assert craft.refused(data + craft.package()[-22:])


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SEEDS), EDITS)
def test_mutated_packages_end_in_an_answer_or_a_refusal(seed, edits):
    craft.refused(mutated(seed, edits))


@settings(max_examples=200, deadline=None)
@given(EDITS)
def test_mutated_manifests_end_in_an_answer_or_a_refusal(edits):
    with zipfile.ZipFile(io.BytesIO(SEEDS[0])) as package:
        members = {name: package.read(name) for name in package.namelist()}
    members["manifest.json"] = mutated(members["manifest.json"], edits)
    craft.refused(craft.archive(members, zipfile.ZIP_STORED))


@settings(max_examples=200, deadline=None)
@given(EDITS)
def test_mutated_images_end_in_facts_or_a_named_error(edits):
    image = mutated(DRIVER, edits)
    try:
        pe.certificate(image, pe.read(image))
    except (pe.PeError, pe.CertificateError):
        return


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), EDITS)
def test_what_is_accepted_is_what_another_reader_finds(seed, edits):
    package = mutated(seed, edits)
    if craft.refused(package):
        return
    with zipfile.ZipFile(io.BytesIO(package)) as other:
        assert archive.members(package) == {name: other.read(name) for name in other.namelist()}
    assert intake.verify(package, DEVELOPMENT).length == len(package)
