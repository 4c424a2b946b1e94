"""A rollout that survives every process restarted in turn: `python tests/chaos/restarts.py --hosts 2000 --every 10`.

Plays the same good rollout twice: undisturbed, and with one process after another killed every so many seconds (serve,
gateway, worker, Temporal, then everything with `up`). Prints how long each took as a table; exit 1 where a promise was
broken or the disturbed one did not complete.
"""

import argparse
import asyncio
import itertools
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rollout.service.demo import scenarios
from rollout.service.demo.operator import Operator
from rollout.service.demo.scenarios import CANDIDATE, PRODUCT
from tests.chaos.faults import kill_everything
from tests.chaos.fleet import Fleet
from tests.chaos.outcome import Outcome
from tests.chaos.play import ENDS, Play
from tests.chaos.round import living, prepare, watching
from tests.chaos.stage import CHILDREN, Stage

TURNS = (*CHILDREN, "everything")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=2_000)
    parser.add_argument("--every", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left running
    print(
        "| rollout of | restarts | seconds | times the undisturbed | violations |\n|---|---:|---:|---:|---:|",
        flush=True,
    )
    calm = _play(asked.hosts, asked.seed, None)
    _row(f"{asked.hosts} hosts, undisturbed", calm, 0, calm)
    restarts: list[str] = []
    rough = _play(asked.hosts, asked.seed, (asked.every, restarts))
    _row(f"{asked.hosts} hosts, one process killed every {asked.every:.0f} s", rough, len(restarts), calm)
    return 1 if calm.violations or rough.violations else 0


def _row(words: str, outcome: Outcome, restarts: int, calm: Outcome) -> None:
    ratio = outcome.seconds / calm.seconds
    print(f"| {words} | {restarts} | {outcome.seconds:.0f} | {ratio:.2f} | {len(outcome.violations)} |", flush=True)


def _play(hosts: int, seed: int, restarting: tuple[float, list[str]] | None) -> Outcome:
    outcome, beat = Outcome(seed, "good"), scenarios.heartbeat_seconds(hosts)
    with tempfile.TemporaryDirectory(prefix="rollout-restarts-", ignore_cleanup_errors=True) as folder:
        stage = Stage(Path(folder) / "data", seed)
        try:
            stage.up()
            operator = Operator(stage.places)
            tokens = asyncio.run(prepare(operator, Path(folder)))
            with living(Fleet(stage.gateway, tokens, hosts, seed, "good", beat)) as fleet:
                stage.wait(lambda: fleet.ready, 300.0, "the fleet to be enrolled and heard")
                release, document = f"{PRODUCT}/{CANDIDATE}", scenarios.policy(hosts, fast=False)
                _course(stage, fleet, asyncio.run(operator.start(release, document, "restarts")), outcome, restarting)
        finally:
            stage.close()
    return outcome


def _course(stage: Stage, fleet: Fleet, rollout: str, outcome: Outcome, restarting: Any) -> None:
    began = time.monotonic()
    with watching(stage, rollout) as witness:
        stage.wait(lambda: witness.last, 60.0, "the rollout in the store")
        play = Play(stage, fleet, witness, rollout, outcome, _say)
        if restarting is not None:
            every, restarts = restarting
            for role, due in zip(itertools.cycle(TURNS), itertools.count(began + every, every), strict=False):
                while time.monotonic() < due and witness.last.state not in ENDS:
                    time.sleep(0.05)
                if witness.last.state in ENDS:
                    break
                restarts.append(role)
                _restart(stage, role)
                _say(f"  {time.monotonic() - began:.0f} s: {role} restarted; {witness.last.rings}")
        stage.wait(lambda: witness.last.state in ENDS, 900.0, "the end of the rollout")
        outcome.seconds = time.monotonic() - began
        play.end()


def _restart(stage: Stage, role: str) -> None:
    if role == "everything":
        kill_everything.inject(stage)
    else:
        stage.kill(role)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
