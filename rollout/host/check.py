"""`rollout host check`: the host's rules once, on metadata only; nothing is installed.

Order: the Director first, then the Image, then the rules over both. Marks are read after all fetching, under
a lock, and stored before the answer, so two checks at once cannot lose each other's.
"""

import hashlib
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rollout.adapters.clock import SystemClock
from rollout.directive.check import Selected, select
from rollout.directive.facts import DirectorView, HostFacts, ImageView
from rollout.directive.lease import accept, holds
from rollout.directive.refusal import Code, RefusedError
from rollout.errors import RolloutError
from rollout.host import marks as marks_file
from rollout.host.budget import Budget
from rollout.host.client import Source, verify
from rollout.host.fetch import PinnedFetcher, is_loopback
from rollout.host.state import read_host
from rollout.host.views import director_view, image_view
from rollout.ringmap import IDENTIFIER


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found: directives, or the code and the sentence of the line that does not hold."""

    directives: tuple[Selected, ...] = ()
    refused: Code | None = None
    detail: str = ""
    director: DirectorView | None = None
    host: HostFacts | None = None

    @property
    def exit_code(self) -> int:
        """0 with directives, 1 when refused."""
        return 0 if self.refused is None else 1

    def to_json(self) -> dict[str, object]:
        """The document of INTERFACES section 5."""
        if self.refused is not None:
            return {"refused": self.refused, "detail": self.detail}
        return {"directives": [directive.to_json() for directive in self.directives]}


def check(
    state: Path, director_url: str, image_url: str, ring: str, now: datetime | None = None, *, root: bytes | None = None
) -> CheckResult:
    """Check a ring's Director and the Image repository against this host's state directory.

    URLs are the repositories' base URLs. `now` (aware) stands for the host's clock everywhere. `root` is the ring's
    Director root where the caller has it from the Image repository; it must then be the one that is named there now.
    Never raises for what a server or the state directory holds: whatever cannot be read is a refusal.
    """
    try:
        return _checked(state, director_url, image_url, ring, now, root)
    except RefusedError as error:
        return CheckResult(refused=error.code, detail=error.detail)
    except (RolloutError, OSError) as error:
        return CheckResult(refused="metadata", detail=f"this host's own state: {error}")


def _checked(
    state: Path, director_url: str, image_url: str, ring: str, now: datetime | None, root: bytes | None
) -> CheckResult:
    if not IDENTIFIER.fullmatch(ring):
        raise RefusedError("wrong-ring", f"{ring!a:.80} is no ring's name")
    moment = now or _clock_now()
    host = read_host(state)
    given = (state / "director-root.json").read_bytes() if root is None else root
    director, image = _views(state, director_url, image_url, ring, moment, given)
    if root is not None:
        _named(image, ring, root)
    with marks_file.locked(state):
        accepted = accept(director, image, host, ring, marks_file.load(state, ring), moment)
        marks_file.save(state, ring, accepted)
        checked = select(director, image, host, ring, accepted, moment)
        marks_file.save(state, ring, checked.marks)
    holds(director, now or _clock_now())
    return CheckResult(checked.directives, director=director, host=host)


def _views(
    state: Path, director_url: str, image_url: str, ring: str, now: datetime, root: bytes
) -> tuple[DirectorView, ImageView]:
    budget = Budget(SystemClock().elapsed)
    with closing(PinnedFetcher(director_url, budget)) as fetcher:
        cache = state / "cache" / f"director-{ring}-targets.json"
        source = Source(fetcher.url, fetcher, root, is_loopback(director_url), cache)
        director = director_view(verify(source, now, director=True))
    return director, image_of(state, image_url, now, budget)


def image_of(state: Path, image_url: str, now: datetime, budget: Budget) -> ImageView:
    """The Image repository as of now, under the root that this host has pinned; RefusedError where it fails."""
    with closing(PinnedFetcher(image_url, budget)) as fetcher:
        root = (state / "image-root.json").read_bytes()
        source = Source(fetcher.url, fetcher, root, is_loopback(image_url), state / "cache" / "image-targets.json")
        return image_view(verify(source, now, director=False))


def _named(image: ImageView, ring: str, root: bytes) -> None:
    """A root that the Image repository no longer names may be a stolen key's: nothing under it is believed."""
    target = image.targets.get(f"directors/{ring}/root.json")
    if target is None or dict(target.hashes) != {"sha256": hashlib.sha256(root).hexdigest()}:
        raise RefusedError("metadata", f"the Image repository names another Director root for {ring}")


def _clock_now() -> datetime:
    return datetime.fromtimestamp(SystemClock().now(), UTC)
