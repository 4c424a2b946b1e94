import json

import pytest

from rollout.errors import InvalidError
from rollout.release import trust

GOOD = trust.DEVELOPMENT.document()


def test_the_default_is_what_up_first_writes():
    assert json.dumps(GOOD, separators=(",", ":")) == (
        '{"schema":"rollout.trust/1","required_ekus":[],"program_name":null,'
        '"allow_unsigned_content":true,"content_schemas":{"opaque":0}}'
    )


def test_a_policy_is_read_back_as_written():
    written = {**GOOD, "required_ekus": ["1.3.6.1.4.1.311.10.3.39"], "program_name": "Sensor", "content_schemas": {}}
    assert trust.parse(json.dumps(written).encode()).document() == written


@pytest.mark.parametrize("field", GOOD)
def test_an_absent_field_trusts_nothing_by_default(field):
    with pytest.raises(InvalidError, match=field):
        trust.parse(json.dumps({k: v for k, v in GOOD.items() if k != field}).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": "rollout.trust/2"},
        {"required_ekus": "1.3"},
        {"required_ekus": ["codeSigning"]},
        {"program_name": 1},
        {"allow_unsigned_content": 1},
        {"allow_unsigned_content": "true"},
        {"content_schemas": {"ipc": True}},
        {"content_schemas": {"ipc": -1}},
        {"content_schemas": [["ipc", 1]]},
        {"roots": []},
    ],
    ids=str,
)
def test_a_wrong_or_unknown_field_is_an_error(changes):
    with pytest.raises(InvalidError):
        trust.parse(json.dumps({**GOOD, **changes}).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"schema":1,"schema":1}', b"\xff"])
def test_what_is_no_policy_is_an_error(data):
    with pytest.raises(InvalidError):
        trust.parse(data)
