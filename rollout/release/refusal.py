"""How a package is refused: one error that lists every failed check.

Codes are those of INTERFACES section 3. Package: archive, limits, path, manifest, files, length, hash,
content, build. Driver: pe, unsigned, signature, weak, chain, expired, timestamp, revoked, eku, publisher.
"""

from collections.abc import Sequence

from rollout.errors import Problem, SupplierError

LONGEST = 400  # characters of one detail


def refuse(code: str, detail: str) -> SupplierError:
    """Return the error of a single failed check, to be raised."""
    return refusal([Problem(code, detail)])


def refusal(problems: Sequence[Problem]) -> SupplierError:
    """Return the error that lists `problems`, at least one, first failed check first."""
    listed = tuple(Problem(problem.code, _plain(problem.detail)) for problem in problems)
    more = f" (and {len(listed) - 1} more)" if len(listed) > 1 else ""
    detail = f"the package is refused: {listed[0].detail} [{listed[0].code}]{more}"
    return SupplierError(detail, slug="release-refused", problems=listed)


def _plain(text: str) -> str:
    """Escape what a terminal would obey and what UTF-8 cannot carry: the supplier wrote parts of it."""
    shown = text if len(text) <= LONGEST else text[:LONGEST] + "..."
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode() for char in shown
    )
