"""Nothing is handed to the signer that a host would refuse."""

import pytest

from rollout.directive.refusal import RefusedError
from rollout.publication import director_targets, hold, install, resume, rollback
from rollout.release.target import NO_POLICY
from tests.core.directive_world import NOW, RING, director, image, picked, release, run

FOUR, FIVE = release(4), release(5)
SIGNED = {target.path: target for target in (FOUR, FIVE)}


def published(*targets):
    return director_targets(targets, SIGNED, RING, NOW)


def refused(*targets, ring=RING, signed=SIGNED):
    with pytest.raises(RefusedError) as error:
        director_targets(targets, signed, ring, NOW)
    return error.value.code


def test_what_is_published_is_what_a_host_accepts():
    offered = install(FIVE, "r1", 10_000, "salt", 1)
    told = published(offered)
    assert picked(run(director(*told), image(FOUR, FIVE))) == [("install", 5, True)]
    told = published(hold(offered, 2), rollback(FOUR, "r1", "salt", 2, withdraws=5))
    assert picked(run(director(*told), image(FOUR, FIVE))) == [("rollback", 4, False), ("hold", 5, False)]
    assert resume(hold(offered, 2), 1) == offered


def test_exposure_above_the_offline_warrant_is_never_signed():
    assert refused(install(FIVE, "r1", 1, "salt", 1), ring="broad") == "warrant"


def test_a_release_added_but_never_warranted_can_be_gone_back_to_and_not_installed():
    bare = release(4, warrant={}, warrant_expires=NOW, policy_digest=NO_POLICY)
    signed = {bare.path: bare}
    assert director_targets([rollback(bare, "r1", "s", 1, withdraws=5)], signed, RING, NOW)
    assert refused(install(bare, "r1", 0, "s", 1), signed=signed) == "warrant"


def test_two_directives_for_one_package_or_one_product_are_refused():
    offered = install(FIVE, "r1", 1, "s", 1)
    assert refused(offered, rollback(FIVE, "r0", "s", 1, withdraws=6)) == "mismatch"
    assert refused(offered, install(FOUR, "r2", 1, "s", 1)) == "mismatch"


def test_the_way_back_can_not_be_held():
    with pytest.raises(RefusedError):
        hold(rollback(FOUR, "r1", "s", 1, withdraws=5), 2)
