"""One host without a network: a state folder, a journal, and an installer whose product is a number in a file."""

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rollout.host import journal
from rollout.host.change import Change, Patience, Tools, Wanted
from rollout.host.course import Step
from rollout.host.door import Door
from rollout.host.installer import Installer
from rollout.host.packages import PackageStore

PRODUCT, OLD, NEW = "sensor", 1, 2

# $1 the product's folder, $2 the action. Files named kill-ACTION, killed-ACTION, fail-ACTION, later and busy steer it.
SCRIPT = r"""#!/bin/sh
set -eu
root=$1 action=$2 counter=${4-} package=${5-}
[ "$action" = running ] || echo "$action $counter" >>"$root/log"
if [ -e "$root/kill-$action" ]; then rm "$root/kill-$action"; kill -9 $PPID; exit 0; fi
if [ -e "$root/fail-$action" ]; then exit 3; fi
while [ -e "$root/busy-$action" ]; do sleep 0.05; done
case $action in
  running) [ ! -e "$root/running" ] || cat "$root/running" ;;
  install) cp "$package" "$root/staged" ;;
  load)
    if [ -e "$root/later" ]; then echo "$counter" >"$root/pending"; exit 10; fi
    echo "$counter" >"$root/new" && mv "$root/new" "$root/running" ;;
  revert)
    rm -f "$root/pending"
    if [ -z "$counter" ]; then rm -f "$root/running"
    else echo "$counter" >"$root/new" && mv "$root/new" "$root/running"; fi ;;
esac
if [ -e "$root/killed-$action" ]; then rm "$root/killed-$action"; kill -9 $PPID; fi
"""


def script(folder: Path) -> Path:
    path = folder / "installer.sh"
    path.write_text(SCRIPT)
    path.chmod(0o755)
    return path


class Machine:
    def __init__(self) -> None:
        self.number = 0
        self.slept = 0.0

    @property
    def boot(self) -> str:
        return f"boot-{self.number}"

    def uptime(self) -> float:
        return 100.0

    def suspended(self) -> float:
        return self.slept


class Host:
    """A host between its lives: `start` is what an agent does first, everything on disk stays."""

    def __init__(self, folder: Path, running: int | None = OLD) -> None:
        self.state, self.root = folder / "state", folder / "root"
        self.state.mkdir()
        self.root.mkdir()
        self.installer = f"{script(folder)} {self.root}"
        self.machine, self.said = Machine(), []
        installed = {} if running is None else {PRODUCT: running}
        facts = {"host": "h-1", "hardware": "model-x", "os_build": 22631, "installed": installed}
        (self.state / "host.json").write_text(json.dumps(facts))
        if running is not None:
            self.runs = running
        journal.create(self.state)
        self.package = folder / "package.zip"
        self.package.write_bytes(b"candidate")
        self.change: Change | None = None

    @property
    def runs(self) -> int | None:
        path = self.root / "running"
        return int(path.read_text()) if path.exists() else None

    @runs.setter
    def runs(self, counter: int) -> None:
        (self.root / "running").write_text(f"{counter}\n")

    @property
    def log(self) -> list[str]:
        path = self.root / "log"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def step(self) -> Step:
        return self.change.history.step(PRODUCT)

    def told(self, name: str) -> None:
        (self.root / name).touch()

    def untold(self, name: str) -> None:
        (self.root / name).unlink()

    def start(self, *, settle: float = 600.0, boots: int = 2, lost: bool = False, restart: bool = False) -> Change:
        """A new agent; `restart`: in a new boot, which brings what was to be loaded then."""
        if restart:
            self.machine.number += 1
            if (self.root / "pending").exists():
                (self.root / "pending").replace(self.root / "running")
        door = Door("http://127.0.0.1:9/", "h-1", Ed25519PrivateKey.generate())
        opened = journal.lost() if lost else journal.open_journal(self.state)
        installer = Installer(self.installer, self.state, 20.0)
        tools = Tools(opened, installer, PackageStore(self.state, door), self.machine)
        self.change = Change(self.state, tools, Patience(settle, boots), self.said.append)
        self.change.begin()
        return self.change

    def adopt(self, good: bool = True) -> None:
        course = self.change.intend(Wanted(PRODUCT, "r1", NEW, "ab"))
        assert self.change.stage(course, self.package)
        self.change.apply(course, "a1", lambda: self.package if good else None)

    def spoken(self) -> tuple[dict[str, int], str | None, str]:
        """What a beat would say."""
        from rollout.host.presence import present

        now = present(self.change)
        return dict(now.running), now.adoption, now.phase
