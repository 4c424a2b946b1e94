"""Keys: one key that counts twice, roots of development, thresholds."""

import json

import pytest

from rollout.adapters.trust import image
from rollout.adapters.trust.keys import create_key, development_image_keys, load_key, load_or_create
from rollout.adapters.trust.metadata import next_root
from rollout.adapters.trust.tuf import Metadata
from rollout.directive.refusal import RefusedError
from rollout.errors import DamagedError, NotFoundError
from rollout.host.roots import require_sound
from tests.attacks.metadata_world import NOW, World, later, served


@pytest.fixture
def world(tmp_path):
    with served() as site:
        yield World(tmp_path, site)


def doubled(root):
    """List the targets key a second time, spelled in capitals and under another id."""
    listed = root.roles["targets"]
    key = root.keys[listed.keyids[0]]
    again = type(key)("f" * 64, key.keytype, key.scheme, {"public": key.keyval["public"].upper()})
    root.keys[again.keyid] = again
    listed.keyids.append(again.keyid)
    listed.threshold = 2


@pytest.mark.parametrize("where", ["director", "image"])
def test_one_key_in_two_spellings_is_found_in_the_given_root(world, where):
    data = world.resigned("1.root.json", twice, where)
    (world.state / f"{where}-root.json").write_bytes(data)
    assert world.code() == "duplicate-key"


def twice(root):
    doubled(root)
    root.roles["targets"].threshold = 1


@pytest.mark.parametrize("where", ["director", "image"])
def test_one_key_in_two_spellings_is_found_in_a_later_root(world, where):
    def second(root):
        twice(root)
        root.version = 2

    world.serve(where, {"2.root.json": world.resigned("1.root.json", second, where)})
    assert world.code() == "duplicate-key"


def test_one_key_under_two_ids_never_meets_a_threshold_of_two(world):
    (world.state / "director-root.json").write_bytes(world.resigned("1.root.json", doubled))
    metadata = Metadata.from_bytes(world.director["2.targets.json"])
    signature = next(iter(metadata.signatures.values()))
    document = json.loads(world.director["2.targets.json"])
    document["signatures"].append({"keyid": "f" * 64, "sig": signature.signature})
    world.serve("director", {"2.targets.json": json.dumps(document).encode()})
    assert world.code() in {"duplicate-key", "metadata"}


def test_a_development_root_is_refused_away_from_loopback(tmp_path):
    keys = development_image_keys(tmp_path)
    root = Metadata.from_bytes(image.first(keys, NOW, development=True).files["1.root.json"]).signed
    require_sound([root], loopback=True)
    with pytest.raises(RefusedError) as refused:
        require_sound([root], loopback=False)
    assert refused.value.code == "metadata"


def test_a_development_repository_serves_the_machine_it_lives_on(tmp_path):
    with served() as site:
        world = World(tmp_path, site, development=True)
        assert image.development(world.image)
        assert world.code() is None


def test_two_of_three_keys_sign_root_and_targets(tmp_path):
    keys = development_image_keys(tmp_path)
    files = dict(image.first(keys, NOW, development=True).files)
    for name in ("1.root.json", "1.targets.json"):
        assert len(Metadata.from_bytes(files[name]).signatures) == 2
    assert len(Metadata.from_bytes(next_root(files, keys, keys, NOW).files["2.root.json"]).signatures) == 2


def test_a_root_renewed_before_it_ends_is_followed(world):
    for number in range(3):
        keys = world.keys["director"]
        world.to_director(next_root(world.director, keys, keys, later(days=number)))
    assert world.code() is None
    assert world.marks()["rings"]["canary"]["roles"]["root"]["version"] == 4


def test_a_key_is_made_once_and_is_its_owners_alone(tmp_path):
    path = tmp_path / "keys" / "online.pem"
    made = load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create(path).public_key == made.public_key == load_key(path).public_key
    with pytest.raises(FileExistsError):
        create_key(path)
    with pytest.raises(NotFoundError):
        load_key(tmp_path / "none.pem")
    path.write_text("-----BEGIN PRIVATE KEY-----")
    with pytest.raises(DamagedError):
        load_key(path)
