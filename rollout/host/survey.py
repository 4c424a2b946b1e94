"""Where this host has to look: the rings its products map to, and each ring's Director root, by the Image repository.

A first look only. The check of each ring verifies everything again, with its marks, and insists on the same root.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from rollout.adapters.clock import SystemClock
from rollout.directive.facts import HostFacts, ImageView
from rollout.directive.home import newest_map
from rollout.directive.refusal import RefusedError
from rollout.host.budget import Budget
from rollout.host.check import image_of
from rollout.host.door import Door
from rollout.host.fetch import CAPS
from rollout.ringmap import HELD_OUT


def survey(state: Path, image_url: str, host: HostFacts, door: Door, now: datetime) -> Mapping[str, bytes]:
    """The Director roots of this host's rings, by ring; RefusedError or UnreachableError where one cannot be had."""
    image = image_of(state, image_url, now, Budget(SystemClock().elapsed))
    return {ring: _root(ring, image, door) for ring in rings(image, host)}


def rings(image: ImageView, host: HostFacts) -> list[str]:
    """The rings that the newest maps give this host, each once; the held-out ring has no Director."""
    maps = [newest_map(image, product) for product in image.maps]
    found = {each.ring_of(host.host, host.tags) for each in maps if each is not None}
    return sorted(ring for ring in found if ring is not None and ring != HELD_OUT)


def _root(ring: str, image: ImageView, door: Door) -> bytes:
    """A few kilobytes, fetched each time: what is kept nowhere cannot be damaged."""
    target = image.targets.get(f"directors/{ring}/root.json")
    if target is None:
        raise RefusedError("metadata", f"the Image repository names no Director root for {ring}")
    root = door.fetch(f"/targets/{target.path}", CAPS["root"])
    if dict(target.hashes) != {"sha256": hashlib.sha256(root).hexdigest()}:
        raise RefusedError("metadata", f"{target.path} is not the bytes that were signed")
    return root
