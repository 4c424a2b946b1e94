"""A small world of verified metadata for tests of the host's rules: one product, one ring, one host."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rollout.directive.check import Checked, check
from rollout.directive.facts import DirectorView, HostFacts, ImageView, Role, Target, paths
from rollout.directive.marks import Marks
from rollout.directive.refusal import RefusedError
from rollout.release.target import Step, TargetFacts

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RING = "canary"
HOST = HostFacts("h-000123", "model-x", 22631, {"sensor": 4})
VERSIONS = {"root": 1, "timestamp": 7, "snapshot": 5, "targets": 5}


def digest(counter: int) -> str:
    return f"{counter:064x}"


def facts(counter: int, **changes: object) -> TargetFacts:
    whole = TargetFacts(
        product="sensor",
        version=f"1.{counter}",
        release_counter=counter,
        floor=0,
        kind="driver",
        hardware=("model-x", "model-y"),
        os_builds=(22000, 23000),
        needs_reboot=False,
        policy_digest="ab" * 32,
        rollback_to=None,
        warrant={RING: (Step(NOW - timedelta(hours=1), 10_000),)},
        warrant_expires=NOW + timedelta(days=30),
    )
    return replace(whole, **changes)


def release(counter: int, **changes: object) -> Target:
    """An Image target; changes are to its facts."""
    return Target(
        f"sensor/{counter}/{digest(counter)}.zip",
        1000,
        {"sha256": digest(counter)},
        facts(counter, **changes).to_custom(),
    )


def directed(image: Target, action: str = "install", **changes: object) -> Target:
    """A Director target for a release; changes are to its custom."""
    custom = {
        "rollout": "r1",
        "action": action,
        "exposure_bp": 10_000,
        "salt": "salt",
        "epoch": 3,
        "release_counter": image.custom["release_counter"],
        "hardware": image.custom["hardware"],
        "policy_digest": image.custom["policy_digest"],
        **changes,
    }
    return replace(image, custom=custom)


def ring_map(n: int, rings: list[list[object]], tags: dict[str, str] | None = None) -> Target:
    custom = {"schema": "rollout.rings/1", "product": "sensor", "n": n, "salt": "m", "rings": rings, "tags": tags or {}}
    return Target(f"rings/sensor/{n}.json", 10, {"sha256": digest(n)}, custom)


def roles(keys: str = "k", **versions: int) -> dict[str, Role]:
    return {role: Role(version, keys) for role, version in {**VERSIONS, **versions}.items()}


def director(*targets: Target, **changes: object) -> DirectorView:
    lease = NOW + timedelta(minutes=10)
    view = DirectorView(RING, RING, "2026-11-22T12:00:00Z", lease, lease, False, roles(), targets)
    return replace(view, **changes)


def image(*targets: Target, **versions: int) -> ImageView:
    return ImageView(roles(**versions), paths(targets))


def run(
    view: DirectorView, signed: ImageView, host: HostFacts = HOST, marks: Marks | None = None, now: datetime = NOW
) -> Checked:
    return check(view, signed, host, RING, marks or Marks(), now)


def code(*arguments: object, **keywords: object) -> str | None:
    """The code a check is refused with, None where it is not."""
    try:
        run(*arguments, **keywords)
    except RefusedError as error:
        return error.code
    return None


def picked(checked: Checked) -> list[tuple[str, int, bool]]:
    return [(d.order.directive.action, d.order.name.release_counter, d.selected) for d in checked.directives]
