"""Suitability: may this kind of release run under this policy?"""

from typing import Literal

from policies.document import Policy
from policies.error import PolicyError, Problem
from policies.lint import missing_margins

ReleaseKind = Literal["driver", "content"]


def check_release_kind(policy: Policy, release_kind: ReleaseKind) -> tuple[Problem, ...]:
    """Return why a release of this kind may not run under the policy; all problems bear the code `weaker-policy`.

    A driver needs the hazard gate before the last ring, whatever the policy calls itself. Content may run under any.
    """
    if release_kind == "content":
        return ()
    if policy.kind == "content":
        return (
            Problem("weaker-policy", f"Policy {policy.name} is for content; a driver needs kind driver or hotfix."),
        )
    return tuple(Problem("weaker-policy", problem.detail) for problem in missing_margins(policy))


def for_release(policy: Policy, release_kind: ReleaseKind) -> Policy:
    """Return the policy as it governs a release of this kind; raises PolicyError (`weaker-policy`).

    A hotfix has the gates of the release's own kind, so content under it has no hazard gate. What is returned is what
    the rollout stores, digests and judges by; in every other case it is the policy itself.
    """
    problems = check_release_kind(policy, release_kind)
    if problems:
        raise PolicyError(problems)
    if policy.kind != "hotfix" or release_kind != "content":
        return policy
    rings = (
        ring.model_copy(update={"promote": ring.promote.model_copy(update={"margin": None})}) for ring in policy.rings
    )
    return policy.model_copy(update={"rings": tuple(rings)})
