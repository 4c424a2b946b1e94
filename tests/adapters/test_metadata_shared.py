"""Many simulated hosts, one verification; and each host's own refusal all the same."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from rollout.adapters.trust import director, image
from rollout.adapters.trust.keys import development_director_keys, development_image_keys
from rollout.directive.check import check
from rollout.directive.marks import Marks
from rollout.directive.refusal import RefusedError
from rollout.host.shared import SharedVerifier
from rollout.publication import hold, install
from tests.core.directive_world import HOST, NOW, RING, picked, release

LEASE = timedelta(minutes=10)
DIRECTOR, IMAGE = "http://127.0.0.1/director/", "http://127.0.0.1/image/"


class Served:
    """Both repositories in memory, and how often each file was asked for."""

    def __init__(self, folder):
        self.keys = development_director_keys(folder, RING)
        signers = development_image_keys(folder)
        self.image = dict(image.first(signers, NOW, development=True).files)
        self.image.update(image.publish(self.image, [release(4), release(5)], signers, NOW).files)
        self.offered = install(release(5), "r1", 10_000, "salt", 1)
        self.director = dict(director.first(RING, [self.offered], LEASE, self.keys, NOW, development=True).files)
        self.asked = []

    async def fetch(self, url):
        self.asked.append(url)
        files = self.director if url.startswith(DIRECTOR) else self.image
        return files.get(url.rpartition("/")[2])

    def verifier(self):
        return SharedVerifier(self.fetch, IMAGE, self.image["1.root.json"])


def views(verifier, served, now=NOW):
    return asyncio.run(verifier.views(DIRECTOR, served.director["1.root.json"], now))


def test_the_same_bytes_are_verified_once_and_immutable_files_fetched_once(tmp_path):
    served = Served(tmp_path)
    verifier = served.verifier()
    first = views(verifier, served)
    served.asked.clear()
    again = views(verifier, served, NOW + timedelta(minutes=1))
    assert again.director is first.director
    assert sorted(url.rpartition("/")[2] for url in served.asked) == ["2.root.json"] * 2 + ["timestamp.json"] * 2


def test_each_host_keeps_its_own_marks_and_refuses_for_itself(tmp_path):
    served = Served(tmp_path)
    verifier = served.verifier()
    old = views(verifier, served)
    fresh = director.publish(served.director, RING, [hold(served.offered, 2)], LEASE, served.keys, NOW)
    served.director.update(fresh.files)
    new = views(verifier, served)
    seen = check(new.director, new.image, HOST, RING, Marks(), NOW)
    assert picked(seen) == [("hold", 5, False)]
    assert picked(check(old.director, old.image, HOST, RING, Marks(), NOW)) == [("install", 5, True)]
    with pytest.raises(RefusedError):
        check(old.director, old.image, HOST, RING, seen.marks, NOW)
    with pytest.raises(RefusedError):
        check(old.director, old.image, replace(HOST, installed={"sensor": 6}), RING, Marks(), NOW)


def test_what_was_verified_once_still_expires(tmp_path):
    served = Served(tmp_path)
    verifier = served.verifier()
    views(verifier, served)
    with pytest.raises(RefusedError) as refused:
        views(verifier, served, NOW + LEASE)
    assert refused.value.code == "lease-over"
