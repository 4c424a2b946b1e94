"""`rollout host check`: the host's rules once, on metadata only; nothing is installed.

Order: the Director first, then the Image, then the rules over both. Marks are read after all fetching, under
a lock, and stored before the answer, so two checks at once cannot lose each other's.
"""

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


def check(state: Path, director_url: str, image_url: str, ring: str, now: datetime | None = None) -> CheckResult:
    """Check a ring's Director and the Image repository against this host's state directory.

    URLs are the repositories' base URLs. `now` (aware) stands for the host's clock everywhere. Never
    raises for what a server or the state directory holds: whatever cannot be read is a refusal.
    """
    try:
        return _checked(state, director_url, image_url, ring, now)
    except RefusedError as error:
        return CheckResult(refused=error.code, detail=error.detail)
    except (RolloutError, OSError) as error:
        return CheckResult(refused="metadata", detail=f"this host's own state: {error}")


def _checked(state: Path, director_url: str, image_url: str, ring: str, now: datetime | None) -> CheckResult:
    if not IDENTIFIER.fullmatch(ring):
        raise RefusedError("wrong-ring", f"{ring!a:.80} is no ring's name")
    moment = now or _clock_now()
    host = read_host(state)
    director, image = _views(state, director_url, image_url, ring, moment)
    with marks_file.locked(state):
        accepted = accept(director, image, host, ring, marks_file.load(state, ring), moment)
        marks_file.save(state, ring, accepted)
        checked = select(director, image, host, ring, accepted, moment)
        marks_file.save(state, ring, checked.marks)
    holds(director, now or _clock_now())
    return CheckResult(checked.directives, director=director, host=host)


def _views(state: Path, director_url: str, image_url: str, ring: str, now: datetime) -> tuple[DirectorView, ImageView]:
    budget = Budget(SystemClock().elapsed)
    with closing(PinnedFetcher(director_url, budget)) as fetcher:
        root = (state / "director-root.json").read_bytes()
        source = Source(
            fetcher.url, fetcher, root, is_loopback(director_url), state / "cache" / f"director-{ring}-targets.json"
        )
        director = director_view(verify(source, now, director=True))
    with closing(PinnedFetcher(image_url, budget)) as fetcher:
        root = (state / "image-root.json").read_bytes()
        source = Source(fetcher.url, fetcher, root, is_loopback(image_url), state / "cache" / "image-targets.json")
        image = image_view(verify(source, now, director=False))
    return director, image


def _clock_now() -> datetime:
    return datetime.fromtimestamp(SystemClock().now(), UTC)
