"""Builds that are broken on purpose, and that the harness must catch by name: `python tests/chaos/broken.py`.

Each file of tests/chaos/broken/ is one text substitution. It is applied to a copy of the tree, which then plays a round
of tests/chaos/run.py with the fault that meets it, and another one with another seed where the first does not show it.
Exit 1 where one is not caught in so many attempts, or no longer applies.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILDS = Path(__file__).with_suffix("")
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "node_modules")
SECONDS_AT_MOST = 900
ATTEMPTS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=sorted(file.stem for file in BUILDS.glob("*.toml")))
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print("| broken build | fault | attempts | caught as | seen |\n|---|---|---:|---|---|", flush=True)
    return 1 if [name for name in asked.names if not caught(name, asked.seed)] else 0


def caught(name: str, seed: int) -> bool:
    """Run one broken build and print its row; whether a violation of the expected name was seen."""
    build = tomllib.loads((BUILDS / f"{name}.toml").read_text())
    with tempfile.TemporaryDirectory(prefix="rollout-broken-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
        substitute(copy / build["file"], build["old"], build["new"])
        for attempt in range(1, ATTEMPTS + 1):
            violations = run(copy, build, seed + attempt - 1)
            seen = next(((check, words) for check, words in violations if check in build["caught_as"]), None)
            if seen is not None:
                break
    check, words = seen or ("NOT CAUGHT", f"in the last attempt: {violations}")
    print(f"| {build['words']} | {build['fault']} | {attempt} | {check} | {words} |", flush=True)
    return seen is not None


def substitute(file: Path, old: str, new: str) -> None:
    """Replace the one place where `old` stands; SystemExit where it stands nowhere, or more than once."""
    text = file.read_text()
    if (count := text.count(old)) != 1:
        raise SystemExit(f"{file.name} has {count} places that read as this broken build expects: mend its text")
    file.write_text(text.replace(old, new))


def run(tree: Path, build: dict, seed: int) -> list[list[str]]:
    """Play a round on a tree of its own until its first violation; the violations."""
    command = [sys.executable, str(tree / "tests" / "chaos" / "run.py"), "--json", "--first", "--rounds", "1"]
    command += ["--seed", str(seed), "--faults", build["fault"], *build["options"]]
    done = subprocess.run(
        command,
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        stdout=subprocess.PIPE,
        timeout=SECONDS_AT_MOST,
        check=False,
    )
    return json.loads(done.stdout)["violations"]


if __name__ == "__main__":
    sys.exit(main())
