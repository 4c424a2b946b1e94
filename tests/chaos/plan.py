"""What is injected where: every fault in every place it can meet, in an order drawn from the seed."""

import pkgutil
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import import_module
from random import Random
from types import ModuleType
from typing import Any

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
PLACES = tuple(dict.fromkeys(where for route in ROUTES.values() for where in route))
ELSEWHERE = frozenset({"cut store"})
"""Faults whose store is no file of the data folder, beside which those of the file have nothing to meet:"""
OF_THE_FILE = frozenset({"slow store", "stop a writer for good"})
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
    """Deals faults to places, so that each fault meets each place about as often as any other.

    `rounds`: documents of earlier outcomes, whose faults count; `places`: the only ones where anything strikes.
    """

    def __init__(
        self,
        modules: Sequence[ModuleType],
        seed: int,
        kinds: Sequence[str] = ORDER,
        rounds: Sequence[Mapping[str, Any]] = (),
        places: Sequence[str] = PLACES,
    ) -> None:
        self._modules = modules
        self._kinds, self._places = kinds, places
        self._chance = Random(seed)
        self._dealt = Counter((one["fault"], one["where"]) for each in rounds for one in each["injected"])

    def deal(self, number: int) -> tuple[str, list[Wish]]:
        """Return the kind of candidate of a round, and its wishes.

        Every second round has one fault of the environment, since each needs a service that was started for it.
        """
        kind = self._kinds[number % len(self._kinds)]
        plain = [module for module in self._modules if not hasattr(module, "environment")]
        special = [module for module in self._modules if hasattr(module, "environment")]
        chosen = special[number // 2 % len(special)] if special and (number % 2 or not plain) else None
        if chosen is not None and chosen.NAME in ELSEWHERE:
            plain = [module for module in plain if module.NAME not in OF_THE_FILE]
        fitting = plain if chosen is None else [*plain, chosen]
        return kind, [Wish(self._least(where, fitting), where) for where in ROUTES[kind] if where in self._places]

    def _least(self, where: str, fitting: Sequence[ModuleType]) -> ModuleType:
        """Choose by lot among those that met this place least often."""
        shuffled = self._chance.sample(fitting, len(fitting))
        fault = min(shuffled, key=lambda module: self._dealt[module.NAME, where])
        self._dealt[fault.NAME, where] += 1
        return fault
