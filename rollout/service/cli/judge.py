"""The auditor's tool: fold recorded evidence again and say what the judge decides. Needs no server."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rollout.errors import NotFoundError
from rollout.service.cli.output import clean, number, table
from rollout.service.cli.session import Session, form, session
from rollout.service.cli.start import is_file

if TYPE_CHECKING:
    from policies.document import Policy

VERDICT = "rollout.verdict/1"
WORDS = ("sentence", "terms")  # for people; the document is the contract's


@click.command("judge")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--policy", metavar="NAME|FILE", help="Instead of the recorded policy: a shipped profile, or a file.")
@form
@session
def judge_command(here: Session, file: Path, policy: str | None) -> None:
    """Judge recorded evidence (`rollout evidence ID`); - reads stdin. One answer for each rollout in the file."""
    from rollout.evidence.rows import read  # noqa: PLC0415 - brings msgspec, needed only here
    from rollout.judge.replay import replay  # noqa: PLC0415 - brings numpy, needed only here

    chosen = None if policy is None else _policy(policy)
    try:
        with click.open_file(str(file), encoding="utf-8") as lines:
            recorded = read(lines)
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"{file} cannot be read: {error}", slug="no-file") from error
    if not recorded:
        raise NotFoundError(f"{file} holds no evidence", slug="no-evidence")
    for rows in recorded.values():
        found = replay(rows, chosen)
        here.screen.document(VERDICT, {name: value for name, value in found.items() if name not in WORDS})
        if here.screen.json:
            here.screen.say(f"{found['rollout']}: {found['sentence']}")
        here.screen.text(_told(here, found))


def _policy(name: str) -> "Policy":
    from policies.load import load  # noqa: PLC0415 - brings pydantic, needed only here
    from policies.profiles import names, profile  # noqa: PLC0415 - as above

    if not is_file(name):
        if name not in names():
            raise NotFoundError(f"{name!r} is no shipped profile ({', '.join(names())}) and no file", slug="no-policy")
        return profile(name)
    try:
        return load(Path(name).read_bytes())
    except OSError as error:
        raise NotFoundError(f"the policy file {name} cannot be read: {error.strerror}", slug="no-file") from error


def _told(here: Session, found: dict[str, Any]) -> str:
    evidence, ratio = found["e"], found["ratio"]
    rows: list[tuple[str, object]] = [
        ("halts at", _seconds(found["halt_at"])),
        ("pauses at", _seconds(found["pause_at"])),
    ]
    rows += [(f"{ring} promotable at", _seconds(at)) for ring, at in found["promote_at"].items()]
    rows += [("E", evidence["halt"]), *((f"  {name}", value) for name, value in evidence["guards"].items())]
    rows += [("ratio", f"{number(ratio['low'])} to {number(ratio['high'])}"), ("window", found["window"])]
    rows += [("rows", found["rows"])]
    head = f"{clean(found['rollout'])}  {here.screen.paint(found['verdict'])}"
    said = [clean(found["sentence"])] if found.get("sentence") else []
    why = [f"  {clean(term['sentence'])}" for term in found.get("terms", ())]
    return "\n".join([head, *said, *table(rows, left=(0, 1)), *why])


def _seconds(at: float | None) -> str:
    return "never" if at is None else f"{at:,.3f} s".replace(".000 s", " s")
