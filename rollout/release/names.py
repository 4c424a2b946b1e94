"""Names of archive members: what every system stores under exactly that name (INTERFACES section 3)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate

LONGEST = 512  # Windows opens 260 characters by default; this bounds the work per name
# Windows opens a device instead of a file for these, whatever ending follows.
DEVICES = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"}
    | {f"{port}{number}" for port in ("COM", "LPT") for number in range(10)}
)


def problems(names: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each name that is unsafe by itself, and for names that clash with another."""
    for name in names:
        reason = unsafe(name)
        if reason is not None:
            yield f"the member name {name!r} {reason}"
    folded = Counter(name.lower() for name in names)
    yield from (f"the member name {name!r} appears twice but for case" for name, n in folded.items() if n > 1)
    inside = (name for name in folded if len(name) <= LONGEST and any(above in folded for above in _parents(name)))
    yield from (f"the member name {name!r} lies in a folder that is itself a file" for name in inside)


def unsafe(name: str) -> str | None:
    """Say why this name is refused, or None."""
    if len(name) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if not (name.isascii() and name.isprintable()):
        return "is not printable ASCII"
    if "\\" in name or ":" in name:
        return "holds a backslash or a colon"
    reasons = (_unsafe_part(part) for part in name.split("/"))  # a leading or trailing slash gives an empty part
    return next((reason for reason in reasons if reason is not None), None)


def _unsafe_part(part: str) -> str | None:
    if part in {"", ".", ".."}:
        return "is not relative and plain: it has an empty part, '.' or '..'"
    if part[-1] in ". ":
        return "has a part that ends in a dot or a space"
    if part.partition(".")[0].rstrip(" ").upper() in DEVICES:
        return "has a part that is a reserved device name"
    return None


def _parents(name: str) -> Iterator[str]:
    *folders, _ = name.split("/")
    yield from accumulate(folders, lambda above, below: f"{above}/{below}")
