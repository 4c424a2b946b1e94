"""Packages on disk: whole or not there, and never other bytes than their name says."""

import hashlib

import pytest

from rollout.adapters.packages import PackageFolder
from rollout.adapters.token import TokenKey
from rollout.errors import DamagedError, SurroundingsError

PACKAGE = b"bytes of a package"
PATH = f"sensor/8/{hashlib.sha256(PACKAGE).hexdigest()}.zip"


def test_a_package_comes_back_and_again_changes_nothing(tmp_path):
    folder = PackageFolder(tmp_path)
    folder.put(PATH, PACKAGE)
    made = (tmp_path / "targets" / PATH).stat().st_ino
    folder.put(PATH, PACKAGE)
    assert folder.get(PATH) == PACKAGE
    assert (tmp_path / "targets" / PATH).stat().st_ino == made
    assert [path.name for path in (tmp_path / "targets/sensor/8").iterdir()] == [PATH.rpartition("/")[2]]


def test_damaged_bytes_are_told_and_mended_by_the_next_upload(tmp_path):
    folder = PackageFolder(tmp_path)
    with pytest.raises(DamagedError):
        folder.get(PATH)
    folder.put(PATH, PACKAGE)
    (tmp_path / "targets" / PATH).write_bytes(b"other")
    with pytest.raises(DamagedError):
        folder.get(PATH)
    folder.put(PATH, PACKAGE)
    assert folder.get(PATH) == PACKAGE


def test_a_disk_that_takes_nothing_is_the_surroundings_fault(tmp_path):
    (tmp_path / "targets").write_text("a file where the folder should be")
    with pytest.raises(SurroundingsError):
        PackageFolder(tmp_path).put(PATH, PACKAGE)


def test_a_secret_has_256_bits_and_is_never_shown_by_accident(tmp_path):
    (tmp_path / "keys").mkdir()
    with pytest.raises(SurroundingsError):
        TokenKey.load(tmp_path)
    (tmp_path / "keys/token.key").write_bytes(b"k" * 32)
    key = TokenKey.load(tmp_path)
    one, other = key.make(), key.make()
    assert len(one.text) == 43
    assert one.text != other.text
    assert key.hmac(one.text.encode()) == one.hmac
    assert one.text not in repr(one)
    assert "kkk" not in repr(key)
