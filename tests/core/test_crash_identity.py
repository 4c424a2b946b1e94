"""Whether a crash is ours is told by the image's identity, never by what its name begins with."""

import pytest

from rollout.crash.identity import ImageIdentity, is_own

OURS = (ImageIdentity("x64/CSAgent.sys", 1, 2, 3), ImageIdentity("csagent.sys", 9, 8, 7))


@pytest.mark.parametrize(
    "module",
    [
        {"name": "csagent.sys"},
        {"name": "CSAGENT.SYS", "timestamp": 1, "size": 2, "checksum": 3},
        {"name": "csagent.sys", "timestamp": None, "size": 2, "offset": "0x334c"},
        {"name": "\\SystemRoot\\System32\\drivers\\csagent.sys", "checksum": 7},
    ],
)
def test_a_module_whose_name_and_known_fields_agree_is_ours(module):
    assert is_own(module, OURS)


@pytest.mark.parametrize(
    "module",
    [
        None,
        {},
        {"name": None},
        {"name": 5},
        {"name": ""},
        {"name": "drivers\\"},
        {"name": "csagent"},
        {"name": "csagent.sys.bak"},
        {"name": "csagent2.sys"},
        {"name": "csagent.sys", "timestamp": 1, "size": 8},
        {"name": "csagent.sys", "timestamp": True},
        {"name": "csagent.sys", "size": "2"},
        {"timestamp": 1, "size": 2, "checksum": 3},
    ],
)
def test_anything_else_is_not_ours(module):
    assert not is_own(module, OURS)


def test_without_images_nothing_is_ours():
    assert not is_own({"name": "csagent.sys"}, ())
