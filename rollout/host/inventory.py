"""What really runs on this host, by the installer's word; `host.json` follows it."""

from collections.abc import Callable, Iterable
from pathlib import Path

from rollout.errors import SurroundingsError
from rollout.host.folder import write_installed
from rollout.host.installer import Installer
from rollout.host.state import read_host


class Inventory:
    """`running`: counters by product, None where the product is not there; one that is absent is not known."""

    def __init__(self, state: Path, installer: Installer, say: Callable[[str], None]) -> None:
        self._state = state
        self._installer = installer
        self._say = say
        self.running: dict[str, int | None] = {}

    @property
    def counters(self) -> dict[str, int]:
        """What a beat may say: what is not known is not said, and confirms nothing."""
        return {product: counter for product, counter in self.running.items() if counter is not None}

    def look(self, products: Iterable[str]) -> None:
        """Ask of these and of everything that was there before."""
        for product in sorted({*read_host(self._state).installed, *products}):
            self.see(product)

    def see(self, product: str) -> bool:
        """Whether it is known now what a product runs."""
        try:
            counter = self._installer.running(product)
        except SurroundingsError as error:
            self.running = {name: found for name, found in self.running.items() if name != product}
            self._say(str(error))
            return False
        self.running = {**self.running, product: counter}
        installed = {name: found for name, found in read_host(self._state).installed.items() if name != product}
        write_installed(self._state, installed if counter is None else {**installed, product: counter})
        return True

    def runs(self, product: str, counter: int | None) -> bool:
        """Whether it is known, seen just now, that a product runs `counter` (None: that it is not there)."""
        return self.see(product) and self.running[product] == counter
