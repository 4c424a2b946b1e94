"""The demonstrations again and again, as one table: `python tests/scenarios/soak.py --seeds 10 --hosts 200 2000`.

Each run is `rollout demo --json` as a user would start it; exit 1 where any ended as it should not. The documents of
failed runs, story included, are kept in --keep.
"""

import argparse
import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from statistics import median

SCENARIOS = ("crashing", "good", "lethal", "boot-loop", "blind")
SECONDS_AT_MOST = 3_600


def main() -> int:
    asked = _arguments()
    print("| scenario | hosts | runs | as expected | harmed | exposed | seconds p50 | max |", flush=True)
    print("|---|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    failed = 0
    for scenario, hosts in product(asked.scenarios, asked.hosts):
        runs = [_run(scenario, hosts, seed, asked.keep) for seed in range(1, asked.seeds + 1)]
        failed += sum(not run.get("as_expected") for run in runs)
        print(_row(scenario, hosts, runs), flush=True)
    return 1 if failed else 0


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hosts", type=int, nargs="+", default=[200])
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--keep", type=Path, help="Folder for the documents of runs that failed.")
    return parser.parse_args()


def _run(scenario, hosts, seed, keep):
    command = [sys.executable, "-m", "rollout.service.cli", "demo", "--json"]
    command += ["--scenario", scenario, "--hosts", str(hosts), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_AT_MOST, check=False)
    found = json.loads(done.stdout) if done.stdout else {}
    if not found.get("as_expected"):
        print(f"{scenario}, {hosts} hosts, seed {seed}: exit {done.returncode}", file=sys.stderr)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{scenario}-{hosts}-{seed}.txt").write_text(done.stdout + done.stderr)
    return found


def _row(scenario, hosts, runs):
    good = sum(bool(run.get("as_expected")) for run in runs)
    seconds = [run["seconds"]["total"] for run in runs if "seconds" in run]
    times = (f"{median(seconds):.0f}", f"{max(seconds):.0f}") if seconds else ("-", "-")
    cells = (scenario, hosts, len(runs), good, _span(runs, "harmed"), _span(runs, "exposed"), *times)
    return f"| {' | '.join(map(str, cells))} |"


def _span(runs, name):
    values = [run[name] for run in runs if name in run]
    return "-" if not values else str(values[0]) if len(set(values)) == 1 else f"{min(values)}-{max(values)}"


if __name__ == "__main__":
    sys.exit(main())
