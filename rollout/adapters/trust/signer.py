"""The signer of a data folder: keys under `<data>/keys`, made when first needed where they are development keys.

`image/` holds the Image keys, on a development machine only; `director/<ring>/` each Director's root and online key.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path

from rollout.adapters.trust import director, image
from rollout.adapters.trust.development import are_development_keys
from rollout.adapters.trust.keys import KeySet, RoleKeys, development_director_keys, development_image_keys, load_key
from rollout.adapters.trust.metadata import Publication, newest, stored_targets
from rollout.directive.facts import Target
from rollout.errors import NotFoundError
from rollout.ringmap import RingMap


class FolderSigner:
    """ports.signing.Signer over key files. Keys are read when first used, and kept in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._development = are_development_keys(folder)
        self._image_keys = cache(self._load_image)
        self._director_keys = cache(self._load_director)

    @property
    def signs_image(self) -> bool:
        """Whether the Image keys are here: only development keys ever are."""
        return self._development

    def targets(self, files: Mapping[str, bytes]) -> Mapping[str, Target]:
        """The targets of a repository's newest targets file, by path."""
        return _targets(newest(files, "targets"))

    def ring_map(self, ring_map: RingMap) -> tuple[Target, bytes]:
        """The Image target of a ring map, and the bytes served under its path."""
        return image.ring_map_target(ring_map)

    def director_root(self, ring: str, root: bytes) -> Target:
        """The Image target of a Director's first root."""
        return image.director_root_target(ring, root)

    def first_image(self, now: datetime) -> Publication:
        """A new, empty Image repository."""
        return image.first(self._image_keys(), now, development=True)

    def next_image(self, files: Mapping[str, bytes], targets: Iterable[Target], now: datetime) -> Publication:
        """The next version with these targets added or replaced."""
        return image.publish(files, targets, self._image_keys(), now)

    def first_director(self, ring: str, lease: timedelta, now: datetime) -> Publication:
        """A ring's new Director, without directives."""
        return director.first(ring, (), lease, self._director_keys(ring), now, development=self._development)

    def next_director(
        self, files: Mapping[str, bytes], ring: str, targets: Iterable[Target], lease: timedelta, now: datetime
    ) -> Publication:
        """The next version, whose directives are exactly `targets`."""
        return director.publish(files, ring, targets, lease, self._director_keys(ring), now)

    def renew_director(self, files: Mapping[str, bytes], ring: str, lease: timedelta, now: datetime) -> Publication:
        """A new timestamp for the same directives."""
        return director.renew(files, ring, lease, self._director_keys(ring), now)

    def _load_image(self) -> KeySet:
        if not self._development:
            raise NotFoundError("the Image keys are not on this server; sign with the key ceremony and import")
        return development_image_keys(self._folder / "image")

    def _load_director(self, ring: str) -> KeySet:
        folder = self._folder / "director"
        if self._development:
            return development_director_keys(folder, ring)
        online = RoleKeys((load_key(folder / ring / "online.pem"),))
        root = RoleKeys((load_key(folder / ring / "root.pem"),))
        return KeySet(root=root, timestamp=online, snapshot=online, targets=online)


@lru_cache(maxsize=8)  # each ring asks for the same Image targets every second; both repositories' newest fit
def _targets(content: bytes) -> Mapping[str, Target]:
    return stored_targets({"1.targets.json": content})
