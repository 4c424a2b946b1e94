"""Every slug that the code can put into a problem's `type`, by HTTP status: read from the source, not from a list."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from rollout import errors
from rollout.errors import RolloutError
from rollout.release import trust
from rollout.service import problem

SOURCE = Path(__file__).parents[2]
NOT_PROBLEMS = {"simulation", "demo", "host"}  # what these raise never leaves their process as a document
BY_CODE = {"rollout/operation/draft.py": errors.ConflictError}  # hindrances: `start` raises them with their code


def collected() -> dict[int, set[str]]:
    """Return the slugs by status."""
    found: dict[int, set[str]] = defaultdict(set)
    for kind in problem._KINDS:
        found[problem.status(kind("x"))].add(problem.slug(kind("x")))
    for error in _raised():
        found[problem.status(error)].add(problem.slug(error))
    found[422] |= {"policy", trust.SLUG}
    return dict(found)


def _raised() -> Iterator[RolloutError]:
    for package in ("rollout", "workflows"):
        for path in sorted((SOURCE / package).rglob("*.py")):
            if not NOT_PROBLEMS & set(path.relative_to(SOURCE).parts):
                for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
                    yield from _of_call(call, str(path.relative_to(SOURCE)))


def _of_call(call: ast.Call, path: str) -> Iterator[RolloutError]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    words = [each.value if isinstance(each, ast.Constant) else None for each in call.args]
    slug = next((each.value for each in call.keywords if each.arg == "slug"), None)
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, RolloutError) and isinstance(slug, ast.Constant):
        yield kind("x", slug=slug.value)
    elif name == "_no" and len(words) == 3 and words[0] in problem._ERROR_OF_STATUS:  # an Outcome's problem
        yield problem._ERROR_OF_STATUS[words[0]]("x", slug=words[1])
    elif name == "Problem" and path in BY_CODE and words[0]:
        yield BY_CODE[path]("x", slug=words[0])
