"""`rollout`: the command line of the driver-rollout safety orchestrator.

Exit codes: 0 done, 1 error, 2 usage, 3 not found, 4 not permitted or quorum missing, 5 conflict,
6 server unreachable, 10 halted, 11 rolled back, 12 awaiting approval, 13 inconclusive or blind,
124 timeout, 130 interrupted; 141 when the reader of a pipe left (128 + SIGPIPE, as the shell has it).

Commands live in modules that are imported when they are called, so that `rollout halt` starts fast.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

import click

from rollout.service.cli.output import ReaderGoneError, encoded, write
from rollout.service.cli.session import Session, online

INTERRUPTED = 130
PIPE_CLOSED = 141
_HERE = "rollout.service.cli."
# command → (module, one line); a module holds a command under its own name, dashes written as underscores
COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("services", "Everything on this machine with a simulated fleet, to the end."),
    "up": ("services", "The whole service on this machine."),
    "serve": ("services", "One role: control API and console."),
    "gateway": ("services", "One role: the hosts' protocol and metadata."),
    "worker": ("services", "One role: judge, lease renewal, workflows."),
    "start": ("start", "Start a rollout of a release (--dry-run: show what it would do)."),
    "list": ("look", "The rollouts, newest first."),
    "get": ("look", "One rollout: rings, verdict, what it waits for."),
    "watch": ("follow", "Follow a rollout until it stops or asks."),
    "wait": ("follow", "Wait in silence for a state."),
    "explain": ("look", "Why a rollout stands where it stands."),
    "decisions": ("look", "What waits for a person, each with the command to run."),
    "approve": ("acts", "Let a ring be promoted."),
    "reject": ("acts", "Refuse: the rollout is over."),
    "pause": ("acts", "No further adoptions until resumed."),
    "resume": ("acts", "Go on after a pause or a hold."),
    "halt": ("acts", "Stop a rollout now (--all: every rollout)."),
    "rollback": ("acts", "Put back what each host ran before."),
    "freeze": ("acts", "Stop every rollout now."),
    "unfreeze": ("acts", "Lift a freeze."),
    "evidence": ("record", "The recorded evidence, as JSON lines."),
    "events": ("record", "What happens, as it happens."),
    "audit": ("record", "What was decided and done, by whom; --verify the chain."),
    "release": ("release", "Build, verify and add releases."),
    "policy": ("policy", "Check, store and show policies."),
    "hosts": ("hosts", "The fleet as the service knows it."),
    "token": ("token", "Tokens for people and machines."),
    "host": ("host", "The reference agent: enrol, run, check signed metadata."),
    "swarm": ("swarm", "Many simulated hosts against a gateway."),
    "judge": ("judge", "Fold recorded evidence again and say what the judge decides."),
    "simulate": ("simulate", "Play a scenario many times under the production judge."),
    "doctor": ("machine", "Whether this machine and its data are sound."),
    "engine": ("machine", "The workflow engine's program."),
    "completion": ("machine", "Completion for a shell."),
    "version": ("machine", "The version of this program, and the server's."),
}


class _Commands(click.Group):
    """The commands by name; only the one that runs is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command, in the order a person needs them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of a name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        found = getattr(import_module(_HERE + COMMANDS[cmd_name][0]), cmd_name + "_command")
        return found if isinstance(found, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list from the table, without importing anything."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@online
def cli() -> None:
    """Expose driver and content updates ring by ring, judged by crash telemetry.

    ID is a rollout, or a product: its newest rollout. `rollout COMMAND --help` says more.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    here = Session()
    code = _run(here, arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _leave_pipe()
    sys.exit(code)


def _run(here: Session, arguments: Sequence[str] | None) -> int:
    try:
        outcome = cli.main(args=arguments, prog_name="rollout", standalone_mode=False, obj=here)
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.ClickException as wrong:
        wrong.show(file=sys.stderr)
        return wrong.exit_code
    except (click.Abort, KeyboardInterrupt):
        here.screen.say("interrupted")
        return INTERRUPTED
    except ReaderGoneError:
        return _leave_pipe()
    except Exception as error:  # noqa: BLE001 - one that was not raised on purpose is raised again
        return _failed(here, error)
    return outcome if isinstance(outcome, int) else 0


def _failed(here: Session, error: Exception) -> int:
    """Say what went wrong; a fault of the program itself keeps its traceback."""
    from rollout.service.problem import document, exit_code, known  # noqa: PLC0415 - not needed where all goes well

    if not known(error):
        raise error
    if here.screen.json:
        write(encoded({"schema": "rollout.problem/1", **document(error)}) + "\n")
    here.screen.say(f"rollout: {error}")
    for problem in getattr(error, "problems", ()):
        here.screen.say(f"  {problem.code}: {problem.detail}")
    return exit_code(error)


def _leave_pipe() -> int:
    """End quietly: the reader has what it wanted. Python would complain when it flushes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE_CLOSED
