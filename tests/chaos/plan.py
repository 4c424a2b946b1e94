"""What is injected where: every fault in every place it can meet, in an order drawn from the seed."""

import pkgutil
from collections.abc import Sequence
from importlib import import_module
from random import Random
from types import ModuleType

from tests.chaos import faults
from tests.chaos.outcome import Wish

ROUTES = {
    "good": ("admitting", "baking", "promoted", "admitting") * 3 + ("baking", "completed", "completed"),
    "crashing": ("admitting", "rolling-back", "rolling-back", "rolled-back", "rolled-back"),
    "halted": (
        "admitting", "baking", "promoted", "admitting", "halted", "halted", "halted", "rolling-back", "rolling-back",
        "rolled-back", "rolled-back",
    ),
    "boot-loop": ("anywhere", "anywhere", "rolled-back", "rolled-back"),
    "lethal": ("anywhere", "rolling-back", "rolled-back", "rolled-back"),
}  # fmt: skip
"""The places that a rollout of each kind passes, in order."""
ORDER = ("good", "halted", "crashing", "good", "halted", "boot-loop", "good", "halted", "lethal")


def load(names: Sequence[str]) -> list[ModuleType]:
    """Return the fault modules of these file names, all of them if none is named."""
    listed = (module.name for module in pkgutil.iter_modules(faults.__path__))
    modules = {name: import_module(f"{faults.__name__}.{name}") for name in sorted(listed)}
    found = {name: module for name, module in modules.items() if hasattr(module, "inject")}
    if unknown := set(names) - set(found):
        raise SystemExit(f"there is no fault {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    return [found[name] for name in (names or found)]


class Plan:
    """Deals faults to places, so that each fault meets each place about as often as any other."""

    def __init__(self, modules: Sequence[ModuleType], seed: int, kinds: Sequence[str] = ORDER) -> None:
        self._modules = modules
        self._kinds = kinds
        self._chance = Random(seed)
        self._dealt: dict[tuple[str, str], int] = {}

    def deal(self, number: int) -> tuple[str, list[Wish]]:
        """Return the kind of candidate of a round, and its wishes.

        A round has one fault of the environment at most, since each needs a service that was started for it.
        """
        kind = self._kinds[number % len(self._kinds)]
        chosen: ModuleType | None = None
        wishes = []
        for where in ROUTES[kind]:
            fault = self._least(where, chosen)
            if hasattr(fault, "environment"):
                chosen = fault
            self._dealt[fault.NAME, where] = self._dealt.get((fault.NAME, where), 0) + 1
            wishes.append(Wish(fault, where))
        return kind, wishes

    def _least(self, where: str, chosen: ModuleType | None) -> ModuleType:
        fitting = [module for module in self._modules if _fits(module, where, chosen)]
        self._chance.shuffle(fitting)
        return min(fitting, key=lambda module: self._dealt.get((module.NAME, where), 0))


def _fits(module: ModuleType, where: str, chosen: ModuleType | None) -> bool:
    """Whether a fault may strike there, beside the one of the environment that the round has already."""
    if hasattr(module, "environment") and chosen not in {None, module}:
        return False
    return where not in getattr(module, "NOT_WHERE", ())
