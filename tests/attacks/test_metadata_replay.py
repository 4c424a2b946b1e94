"""Old metadata, mixed metadata, metadata of others: every way to make a host believe yesterday's word."""

from dataclasses import replace

import pytest

from rollout.adapters.trust import director, image
from rollout.adapters.trust.metadata import next_root
from rollout.publication import hold, install, rollback
from tests.attacks.metadata_world import RING, World, keyset, later, served


@pytest.fixture
def world(tmp_path):
    with served() as site:
        yield World(tmp_path, site)


def listed(result):
    return [(d["action"], d["release_counter"], d["selected"]) for d in result.to_json()["directives"]]


def held(world):
    """Publish a hold, and return what stood there before."""
    before = dict(world.site.files)
    world.direct(hold(install(world.releases[5], "r1", 10_000, "salt", 1), 2))
    return before


def test_a_host_that_trusts_its_roots_sees_the_directive(world):
    result = world.check()
    assert listed(result) == [("install", 5, True)]
    assert result.exit_code == 0
    assert result.to_json() == {
        "directives": [{"product": "sensor", "action": "install", "release_counter": 5, "selected": True}]
    }


def test_a_replayed_install_does_not_undo_a_hold(world):
    before = held(world)
    assert listed(world.check()) == [("hold", 5, False)]
    world.site.files.update(before)
    assert world.code() == "metadata"


@pytest.mark.parametrize("damage", ["delete", "file", "garbage", "folders"])
def test_losing_the_cache_loses_no_memory(world, damage):
    before = held(world)
    assert world.code() is None
    cache = world.state / "cache"
    for path in cache.iterdir():
        path.unlink()
        if damage == "garbage":
            path.write_bytes(b"\x00{")
        if damage == "folders":
            path.mkdir()
    if damage in {"delete", "file"}:
        cache.rmdir()
    if damage == "file":
        cache.write_text("not a folder")
    assert listed(world.check()) == [("hold", 5, False)]
    world.site.files.update(before)
    assert world.code() == "metadata"


def test_the_targets_file_is_not_fetched_twice(world):
    world.check()
    world.site.asked.clear()
    world.renew()
    assert world.code() is None
    assert not [name for name in world.site.asked if "targets" in name]


def test_damaged_marks_are_not_taken_for_a_fresh_host(world):
    world.check()
    (world.state / "marks.json").write_text("{}")
    assert world.code() == "metadata"


def test_a_frozen_mirror_ends_with_the_lease(world):
    assert world.code(now=later(minutes=9, seconds=59)) is None
    assert world.code(now=later(minutes=10)) == "lease-over"


def test_renewal_changes_the_timestamp_alone(world):
    world.check()
    versions = {name: dict(role) for name, role in world.marks()["rings"][RING]["roles"].items()}
    world.renew(later(minutes=9))
    assert world.code(now=later(minutes=18)) is None
    renewed = world.marks()["rings"][RING]["roles"]
    assert renewed["timestamp"]["version"] == versions["timestamp"]["version"] + 1
    assert renewed["targets"] == versions["targets"]


def test_expired_image_metadata_is_refused_even_under_a_fresh_lease(world):
    world.renew(later(days=91))
    assert world.code(now=later(days=91)) == "metadata"


def test_a_snapshot_and_targets_of_different_publications_do_not_mix(world):
    old = world.director["2.targets.json"]
    held(world)
    world.site.files[f"director/{RING}/3.targets.json"] = old
    assert world.code() == "metadata"


def test_another_rings_director_is_not_obeyed(world):
    other = director.first("broad", (), world_lease(), world.keys["director"], later(), development=False)
    world.site.files.update({f"director/{RING}/{name}": data for name, data in other.files.items()})
    assert world.code() == "wrong-ring"
    assert world.code(ring="broad") is None


def world_lease():
    return later(minutes=10) - later()


def test_a_director_signed_by_a_stranger_is_refused(world, tmp_path):
    world.keys["director"] = keyset(tmp_path / "stranger")
    world.direct(now=later(seconds=1))
    assert world.code() == "metadata"


def test_a_director_that_delegates_is_refused(world):
    def delegate(targets):
        targets.unrecognized_fields["delegations"] = {"keys": {}, "roles": []}

    serve_targets(world, delegate)
    assert world.code() == "delegation"


def serve_targets(world, change):
    """Serve changed Director targets under a snapshot and a timestamp that pin them."""
    world.director["2.targets.json"] = data = world.resigned("2.targets.json", change)
    world.director["2.snapshot.json"] = world.resigned("2.snapshot.json", lambda part: pin(part.meta, data))
    snapshot = world.director["2.snapshot.json"]
    world.director["timestamp.json"] = world.resigned(
        "timestamp.json", lambda part: pin({"targets.json": part.snapshot_meta}, snapshot)
    )
    world.serve("director", world.director)


def pin(meta, data):
    fresh = type(meta["targets.json"]).from_data(meta["targets.json"].version, data, ["sha256"])
    meta["targets.json"].hashes, meta["targets.json"].length = fresh.hashes, fresh.length


def test_the_way_back_is_a_higher_version_of_the_metadata_and_is_taken(world):
    (world.state / "host.json").write_text(
        (world.state / "host.json").read_text().replace('"sensor": 4', '"sensor": 5')
    )
    assert world.code() is None
    world.direct(rollback(world.releases[4], "r1", "salt", 2, withdraws=5))
    assert listed(world.check()) == [("rollback", 4, True)]


def test_a_host_whose_clock_was_set_back_refuses(world):
    world.renew(later(minutes=9))
    assert world.code(now=later(minutes=9)) is None
    assert world.code(now=later(minutes=6)) == "clock"


def test_a_clock_set_back_on_the_server_never_issues_older_metadata(world):
    world.renew(later(minutes=5))
    world.renew(later(minutes=1))
    assert director.last_issued(world.director) == later(minutes=5)


def test_a_stolen_online_key_that_jumped_ahead_is_recovered_from_by_new_keys(world, tmp_path):
    world.serve("director", {"timestamp.json": world.resigned("timestamp.json", jump)})
    assert world.code() is None
    assert world.marks()["rings"][RING]["roles"]["timestamp"]["version"] == 2**31
    world.renew()
    assert world.code() == "metadata"
    before = world.keys["director"]
    world.keys["director"] = keyset(tmp_path / "new")
    world.to_director(next_root(world.director, before, world.keys["director"], later()))
    world.direct(hold(install(world.releases[5], "r1", 10_000, "salt", 1), 2))
    assert listed(world.check()) == [("hold", 5, False)]


def jump(part):
    part.version = 2**31


def test_a_withheld_new_root_is_noticed(world, tmp_path):
    before = world.keys["director"]
    old = dict(world.site.files)
    world.keys["director"] = keyset(tmp_path / "new")
    world.to_director(next_root(world.director, before, world.keys["director"], later()))
    world.direct()
    assert world.code() is None
    del world.site.files[f"director/{RING}/2.root.json"]
    world.site.files.update(old)
    assert world.code() == "metadata"


def test_the_image_repository_does_not_go_back_either(world):
    old = dict(world.site.files)
    world.to_image(image.renew(world.image, world.keys["image"], later()))
    assert world.code() is None
    world.site.files.update(old)
    assert world.code() == "metadata"


def test_a_sound_lease_is_remembered_even_where_its_directives_are_refused(world):
    before = dict(world.site.files)
    world.direct(replace(world.releases[5], path="sensor/5/x.zip"))
    assert world.code() == "target-name"
    world.site.files.update(before)
    assert world.code() == "metadata"


def test_an_epoch_is_remembered_between_checks(world):
    world.check()
    assert world.marks()["rings"][RING]["epochs"] == {"r1": 1}
    world.direct(install(world.releases[5], "r1", 10_000, "salt", 0))
    assert world.code() == "epoch"


def test_an_expired_root_is_no_mere_end_of_a_lease(world):
    world.renew(later(days=365))
    assert world.code(now=later(days=365)) == "metadata"


def test_nothing_is_remembered_from_metadata_that_is_refused(world):
    world.serve("director", {"timestamp.json": world.resigned("timestamp.json", jump)})
    assert world.code(now=later(minutes=11)) == "lease-over"
    assert not (world.state / "marks.json").exists()
    world.renew()
    assert world.code() is None
