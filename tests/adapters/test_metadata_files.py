"""Copying metadata to files: newest only, timestamp last, and never backwards."""

from datetime import timedelta

from rollout.adapters.trust import director, image
from rollout.adapters.trust.files import copy
from rollout.adapters.trust.keys import development_director_keys
from rollout.adapters.trust.metadata import newest, stored_targets
from rollout.publication import hold, install
from rollout.ringmap import RingMap
from tests.core.directive_world import NOW, RING, release

LEASE = timedelta(minutes=10)


def publications(folder):
    keys = development_director_keys(folder, RING)
    offered = install(release(5), "r1", 10_000, "salt", 1)
    first = director.first(RING, [offered], LEASE, keys, NOW, development=True)
    files = dict(first.files)
    second = director.publish(files, RING, [hold(offered, 2)], LEASE, keys, NOW)
    return first, second, {**files, **second.files}, keys


def test_a_stalled_publisher_cannot_undo_a_hold(tmp_path):
    first, _, newest_files, _ = publications(tmp_path / "keys")
    folder = tmp_path / "director"
    assert copy(newest_files, folder)
    assert not copy(first.files, folder)
    assert (folder / "timestamp.json").read_bytes() == newest_files["timestamp.json"]


def test_a_copy_that_was_damaged_or_cut_short_is_made_whole(tmp_path):
    _, _, files, _ = publications(tmp_path / "keys")
    folder = tmp_path / "director"
    copy(files, folder)
    (folder / "timestamp.json").write_bytes(b"{")
    (folder / "2.targets.json").write_bytes(b"")
    (folder / "2.snapshot.json").unlink()
    assert copy(files, folder)
    assert {path.name: path.read_bytes() for path in folder.glob("*.json")} == files


def test_a_step_makes_new_files_only_and_says_where_the_repository_stands(tmp_path):
    _, second, files, keys = publications(tmp_path / "keys")
    assert sorted(second.files) == ["2.snapshot.json", "2.targets.json", "timestamp.json"]
    assert second.versions == {"root": 1, "timestamp": 2, "snapshot": 2, "targets": 2}
    assert second.issued == NOW.timestamp()
    assert second.expires["timestamp"] == (NOW + LEASE).timestamp()
    renewed = director.renew(files, RING, LEASE, keys, NOW + timedelta(minutes=1))
    assert list(renewed.files) == ["timestamp.json"]
    assert renewed.versions == {"root": 1, "timestamp": 3, "snapshot": 2, "targets": 2}


def test_a_quiet_ring_is_signed_anew_long_before_its_year_ends(tmp_path):
    _, _, files, keys = publications(tmp_path / "keys")
    late = director.renew(files, RING, LEASE, keys, NOW + timedelta(days=250))
    assert late.versions["targets"] == 3
    assert stored_targets({**files, **late.files}) == stored_targets(files)


def test_the_same_step_twice_gives_the_same_bytes(tmp_path):
    _, second, _, keys = publications(tmp_path / "keys")
    first = director.first(RING, [install(release(5), "r1", 10_000, "salt", 1)], LEASE, keys, NOW, development=True)
    again = director.publish(
        first.files, RING, [hold(install(release(5), "r1", 10_000, "salt", 1), 2)], LEASE, keys, NOW
    )
    assert again.files == second.files


def test_maps_and_roots_are_targets_with_the_bytes_that_are_served(tmp_path):
    ring_map = RingMap("sensor", 3, "salt", ((RING, 0, 10**9),), {})
    target, data = image.ring_map_target(ring_map)
    assert (target.path, target.length) == ("rings/sensor/3.json", len(data))
    assert RingMap.from_custom(target.custom) == ring_map
    first, *_ = publications(tmp_path / "keys")
    root = newest(first.files, "root")
    assert image.director_root_target(RING, root).path == "directors/canary/root.json"
