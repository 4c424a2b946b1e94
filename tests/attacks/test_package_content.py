"""The fault of 19 July 2024: content with one field more than the interpreter supplies."""

import pytest

from rollout.release.trust import DEVELOPMENT
from tests.attacks import hostile_package as craft

TRUST = craft.trust(content_schemas={"ipc": 3, "opaque": 0})


def refused(payload: dict[str, bytes], policy=TRUST, **content: object) -> list[str]:
    declared = {"schema_id": "ipc", "fields": 3} | content
    return craft.refused(craft.package(payload, content=declared), policy)


@pytest.mark.parametrize(
    "payload",
    [
        {"a.csv": b"1,2,3\n4,5,6\n"},
        {"a.csv": b'1,"2,\r\n""x""",\r\n,,'},
        {"a.CSV": b""},
        {"a.jsonl": b'[1,2.5,"x"]\r\n[null,[1,2],{"a":1}]'},
        {"a.bin": b"1,2,3,4"},
    ],
)
def test_records_with_exactly_the_declared_values_pass(payload):
    assert refused(payload) == []


@pytest.mark.parametrize(
    "payload",
    [
        {"a.csv": b"1,2,3\n1,2,3,4\n"},
        {"a.CSV": b"1,2\n"},
        {"a.csv": b"1,2,3\n\n1,2,3\n"},
        {"a.csv": b'1,2,"3'},
        {"a.csv": b'1,2,"3"x\n'},
        {"a.csv": b"1,2,\xff\n"},
        {"a.csv": b"1,2,3," * 300_000},
        {"a.csv": b'"1\n",' * 300_000},
        {"a.jsonl": b"[1,2,3]\n[1,2,3,4]\n"},
        {"a.jsonl": b"[1,2,3]\n\n[1,2,3]\n"},
        {"a.jsonl": b'{"a":1,"b":2,"c":3}\n'},
        {"a.jsonl": b"[1,2,NaN]\n"},
        {"a.jsonl": b"[1,2,3] [1,2,3]\n"},
        {"a.jsonl": b"[1,2,\xff]\n"},
        {"a.jsonl": b"[" * 99_999},
        {"a.jsonl": b"[1,2," + b"9" * 9_999 + b"]"},
        {"a.jsonl": b"[" + b"[]," * 500_000},
    ],
    ids=lambda payload: repr(next(iter(payload.items())))[:40],
)
def test_a_record_with_other_values_or_no_readable_one_is_refused(payload):
    assert refused(payload) == ["content"]


def test_a_record_too_large_to_hold_is_refused_even_with_the_declared_values():
    policy = craft.trust(content_schemas={"ipc": 300_000})
    assert refused({"a.csv": b"\n".join([b"1," * 299_999 + b"1"] * 2)}, policy, fields=300_000) == []
    assert refused({"a.csv": b",".join([b'"1\n"'] * 300_000)}, policy, fields=300_000) == ["content"]


def test_twenty_one_declared_where_twenty_are_supplied_is_refused():
    deployed = craft.trust(content_schemas={"ipc": 20})
    assert refused({"291.csv": b",".join([b"*"] * 21)}, deployed, fields=21) == ["content"]


def test_a_schema_that_no_interpreter_is_known_for_is_refused():
    assert refused({"a.bin": b""}, schema_id="new") == ["content"]


def test_content_in_a_package_called_driver_is_refused():
    package = craft.package({"a.csv": b"1,2,3,4"}, kind="driver", content=None)
    assert craft.refused(package, TRUST) == ["unsigned"]


def test_unsigned_content_needs_a_trust_folder_that_allows_it():
    assert craft.refused(craft.package(), craft.trust(allow_unsigned_content=False)) == ["unsigned"]
    assert craft.refused(craft.package(), DEVELOPMENT) == []


def test_content_may_carry_the_identity_of_the_driver_that_reads_it():
    assert craft.refused(craft.package(builds=[craft.build_of("csagent.sys")])) == []
