"""A rollout as a person reads it: where it stands, why, what it waits for, and the one command for that."""

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rollout.service.cli.output import Screen, clean, fitting, number

COUNTS = ("hosts", "granted", "confirmed", "failed", "dark", "overdue", "outstanding", "window")
LABEL = 10  # columns of the words before a fact


def rollout(found: Mapping[str, Any], screen: Screen) -> str:
    """Return the picture of `GET /rollouts/{id}`, no line wider than the screen where words allow."""
    lines = [_title(found, screen), *_started(found, screen), *_verdict(found, screen)]
    lines += [*_numbers(found, screen), *_waiting(found, screen)]
    return "\n".join([*lines, "", *rings(found.get("rings") or [], screen)])


def within(found: Mapping[str, Any], screen: Screen, height: int) -> str:
    """Return the picture in at most `height` lines: the ring in play first, then cut; a number is never shortened."""
    whole = rollout(found, screen)
    if whole.count("\n") < height:
        return whole
    every = found.get("rings") or []
    begun = [each for each in every if each.get("state") not in {"waiting", "promoted"}]
    played = begun or [each for each in every if each.get("state") != "promoted"][:1] or every[-1:]
    others = [f"{each.get('name')} {each.get('state')}" for each in every if each not in played]
    lines = [_title(found, screen), *_verdict(found, screen), *rings(played, screen)]
    lines += _fact("others", ", ".join(others), screen) if others else []
    lines += [*_waiting(found, screen), *_numbers(found, screen), *_started(found, screen)]
    left = len(lines) - height
    more = f"{left + 1} lines more than fit here: `rollout get {clean(found.get('rollout'))}`"
    return "\n".join(lines if left <= 0 else [*lines[: height - 1], more[: screen.width]])


def wrapped(text: str, screen: Screen, indent: int = 0) -> list[str]:
    """Return words in lines that fit beside an indent; a long word is never broken."""
    width = max(20, screen.width - indent)
    return textwrap.wrap(clean(text), width, break_long_words=False, break_on_hyphens=False)


def rings(found: Sequence[Mapping[str, Any]], screen: Screen) -> list[str]:
    """Return the table of the rings, in order; the hold-out stands below it."""
    if not found:
        return ["no rings yet"]
    rows: list[tuple[Any, ...]] = [("ring", "state", *COUNTS)]
    rows += [(str(each.get("name")), str(each.get("state")), *(each.get(name) for name in COUNTS)) for each in found]
    held_out = sum(int(each.get("held_out") or 0) for each in found)
    return [*fitting(rows, screen.width), *([f"held out: {number(held_out)} hosts"] if held_out else [])]


def summary(found: Mapping[str, Any]) -> str:
    """Return one line of what changes: for following without a terminal, and in logs."""
    parts = [
        f"{each.get('name')} {each.get('state')} {each.get('confirmed')}/{each.get('granted')} confirmed"
        + (f", {each['failed']} failed" if each.get("failed") else "")
        + (f", {each['dark']} dark" if each.get("dark") else "")
        for each in found.get("rings") or []
        if each.get("granted") or each.get("state") not in {"waiting", "promoted"}
    ]
    head = f"{found.get('state')}{' (frozen)' if found.get('frozen') else ''}, {found.get('verdict')}"
    return clean("; ".join([head, *parts]))


def command(found: Mapping[str, Any], kind: str, ring: str | None) -> str:
    """Return the command that answers a request for a decision; the reason is the person's to write."""
    name, revision = shlex.quote(str(found.get("rollout"))), found.get("evidence_revision")
    match kind:
        case "approve":
            where = shlex.quote(str(ring))
            return f"rollout approve {name} --ring {where} --evidence-revision {revision} --reason TEXT"
        case "resume":
            return f"rollout resume {name} --evidence-revision {revision} --reason TEXT"
        case "unfreeze":
            return "rollout unfreeze --reason TEXT"
        case _:
            return f"rollout explain {name}"


def _title(found: Mapping[str, Any], screen: Screen) -> str:
    frozen = f"  {screen.paint('frozen')}" if found.get("frozen") else ""
    name, release = clean(found.get("rollout")), clean(found.get("release", ""))
    return f"{name}  {release}  {screen.paint(str(found.get('state')))}{frozen}"


def _started(found: Mapping[str, Any], screen: Screen) -> list[str]:
    if not found.get("started_by"):
        return []
    return _fact("started", f"by {found['started_by']}: {found.get('reason') or '-'}", screen)


def _verdict(found: Mapping[str, Any], screen: Screen) -> list[str]:
    said = _fact("", str(found["sentence"]), screen) if found.get("sentence") else []
    return [f"{'verdict':<{LABEL}}{screen.paint(str(found.get('verdict', '-')))}", *said]


def _numbers(found: Mapping[str, Any], screen: Screen) -> list[str]:
    evidence, ratio = found.get("e") or {}, found.get("ratio") or {}
    lines: list[str] = []
    if evidence:
        guards = ", ".join(f"{name} {number(value)}" for name, value in (evidence.get("guards") or {}).items())
        lines += _fact("E", f"{number(evidence.get('halt'))}" + (f" ({guards})" if guards else ""), screen)
    if ratio.get("low") is not None or ratio.get("high") is not None:
        low, high = number(ratio.get("low")), number(ratio.get("high"))
        lines += _fact("ratio", f"{low} to {high} (exposed against control, 95 %)", screen)
    age = found.get("data_age")
    if found.get("over"):
        heard = "judged no more"
    else:
        heard = "no beat of the control arm yet" if age is None else f"newest control beat {number(age)} s ago"
    return [*lines, *_fact("evidence", f"revision {found.get('evidence_revision', '-')}, {heard}", screen)]


def _waiting(found: Mapping[str, Any], screen: Screen) -> list[str]:
    waiting = found.get("waiting")
    if not waiting:
        return []
    since = f", since {waiting['since']}" if waiting.get("since") else ""
    said = str(waiting.get("for"))
    if said in str(found.get("sentence")):
        said = "what stands above"
    lines = _fact("waits for", f"{said}{since}", screen)
    state = found.get("state")
    ring = next((r.get("name") for r in found.get("rings") or [] if r.get("state") == "awaiting-approval"), None)
    if ring is not None and state == "awaiting-approval":
        return [*lines, f"{'run':<{LABEL}}{command(found, 'approve', str(ring))}"]
    return [*lines, f"{'run':<{LABEL}}{command(found, 'resume', None)}"] if state in {"paused", "held"} else lines


def _fact(label: str, text: str, screen: Screen) -> list[str]:
    lines = wrapped(text, screen, LABEL)
    return [f"{label if n == 0 else '':<{LABEL}}{line}" for n, line in enumerate(lines or ["-"])]
