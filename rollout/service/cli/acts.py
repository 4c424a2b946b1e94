"""Acts of people: approve, reject, pause, resume, halt, roll back, freeze, unfreeze.

What stops asks for nothing but a name; what goes forward is bound to the evidence its author saw.
"""

import shlex
from typing import Any

import click

from rollout.service.cli import view
from rollout.service.cli.client import Answer
from rollout.service.cli.session import ROLLOUT, Session, interactive, online, session

QUORUM_MISSING = 4
_reason = click.option("--reason", required=True, help="Why; kept for ever in the audit.")
_reason_or_none = click.option("--reason", help="Why; kept for ever in the audit.")
_revision = click.option("--evidence-revision", type=click.IntRange(0), help="The evidence you looked at.")
_name = click.argument("name", metavar="ID")


@click.command("approve")
@_name
@click.option("--ring", required=True, help="The ring to be promoted.")
@_revision
@_reason
@online
@session
def approve_command(here: Session, name: str, ring: str, evidence_revision: int | None, reason: str) -> int:
    """Let a ring be promoted, on the evidence you looked at."""
    name, revision = _seen(here, name, evidence_revision)
    body = {"ring": ring, "evidence_revision": revision, "reason": reason}
    return _tell(here, here.act(name, "approve", body), f"approved ring {ring}")


@click.command("resume")
@_name
@_revision
@_reason
@online
@session
def resume_command(here: Session, name: str, evidence_revision: int | None, reason: str) -> int:
    """Go on after a pause or a hold, on the evidence you looked at."""
    name, revision = _seen(here, name, evidence_revision)
    return _tell(here, here.act(name, "resume", {"evidence_revision": revision, "reason": reason}), "resumed")


@click.command("reject")
@_name
@_reason_or_none
@online
@session
def reject_command(here: Session, name: str, reason: str | None) -> int:
    """Refuse: the rollout is over; hosts keep what they run until `rollout rollback`."""
    return _tell(here, here.act(name, "reject", _body(reason)), "rejected")


@click.command("pause")
@_name
@_reason_or_none
@online
@session
def pause_command(here: Session, name: str, reason: str | None) -> int:
    """No further adoptions until resumed."""
    return _tell(here, here.act(name, "pause", _body(reason)), "paused")


@click.command("halt")
@click.argument("name", metavar="ID", required=False)
@click.option("--all", "everything", is_flag=True, help="Stop every rollout: the same as freeze.")
@_reason_or_none
@online
@session
def halt_command(here: Session, name: str | None, everything: bool, reason: str | None) -> int:
    """Stop a rollout now; in effect before this command answers."""
    if everything == bool(name):
        raise click.UsageError("name one rollout or product, or say --all")
    if everything or name is None:
        return _freeze(here, "freeze", reason or "halt --all")
    answer = here.act(name, "halt", _body(reason))
    state = answer.document.get("state")
    if state != "halted":  # it was stopped already, in another way
        return _tell(here, answer, f"nothing goes forward: it is {state}")
    stays = f"halted; what was adopted stays; `rollout rollback {shlex.quote(name)} --reason TEXT` puts it back"
    return _tell(here, answer, stays)


@click.command("rollback")
@_name
@_reason
@online
@session
def rollback_command(here: Session, name: str, reason: str) -> int:
    """Put back what each host ran before; stops the rollout at once."""
    done = f"rolling back; `rollout wait {shlex.quote(name)} --for rolled-back` ends when it is done"
    return _tell(here, here.act(name, "rollback", {"reason": reason}), done)


@click.command("freeze")
@_reason
@online
@session
def freeze_command(here: Session, reason: str) -> int:
    """Stop every rollout now; judging, halting and rolling back go on."""
    return _freeze(here, "freeze", reason)


@click.command("unfreeze")
@_reason
@online
@session
def unfreeze_command(here: Session, reason: str) -> int:
    """Lift a freeze; two approvers, one call each."""
    return _freeze(here, "unfreeze", reason)


def _body(reason: str | None) -> dict[str, Any]:
    return {"reason": reason} if reason else {}


def _freeze(here: Session, verb: str, reason: str) -> int:
    answer = here.client.post(f"/{verb}", {"reason": reason})
    here.screen.document("rollout.freeze/1", answer.document)
    if _short(here, answer):
        return QUORUM_MISSING
    frozen = bool(answer.document.get("frozen"))
    here.screen.text("frozen: nothing goes forward until `rollout unfreeze --reason TEXT`" if frozen else "not frozen")
    return 0


def _tell(here: Session, answer: Answer, done: str) -> int:
    here.screen.document(ROLLOUT, answer.document)
    if _short(here, answer):
        return QUORUM_MISSING
    found = answer.document
    here.screen.text(f"{found.get('rollout')}  {here.screen.paint(str(found.get('state')))}")
    here.screen.say(done)
    return 0


def _short(here: Session, answer: Answer) -> bool:
    """Whether more people must say yes; a 202 without the two numbers is a rollback under way."""
    have, need = answer.document.get("have"), answer.document.get("need")
    if answer.status != 202 or have is None or need is None:
        return False
    here.screen.say(f"noted: {have} of {need} persons said yes; another approver runs the same command")
    return True


def _seen(here: Session, name: str, revision: int | None) -> tuple[str, int]:
    """Return the rollout's name and the evidence that the person bound themselves to.

    On a terminal what is known now is shown and asked for; elsewhere nobody looked, which is a usage error.
    """
    if revision is not None:
        return name, revision
    if not interactive():
        raise click.UsageError("--evidence-revision is needed where nobody can be asked: `rollout get ID` shows it")
    found = here.rollout(name)
    click.echo(view.rollout(found, here.screen), err=True)
    current = int(found["evidence_revision"])
    click.confirm(f"\nGo forward on evidence revision {current}?", abort=True, err=True)
    return str(found["rollout"]), current
