"""What a round wished for, did and saw."""

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from tests.chaos.violation import Violation


@dataclass(frozen=True, slots=True)
class Wish:
    """A fault and where it is to strike; `anywhere` is a random moment."""

    fault: ModuleType
    where: str


@dataclass(slots=True)
class Injected:
    """A fault that was injected. `lost`: seconds until the service was whole again."""

    fault: str
    where: str
    said: str
    lost: float
    violations: list[Violation] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """What a round did and saw. `ending`: violations seen at its end, beside those after each fault."""

    seed: int
    kind: str
    states: list[str] = field(default_factory=list)
    seconds: float = 0.0
    injected: list[Injected] = field(default_factory=list)
    ending: list[Violation] = field(default_factory=list)

    @property
    def violations(self) -> list[Violation]:
        """Every violation of the round."""
        return [seen for each in self.injected for seen in each.violations] + self.ending

    def document(self) -> dict[str, Any]:
        """Return it as plain values: one line of the record that tables are made from."""
        return {
            "seed": self.seed,
            "kind": self.kind,
            "states": self.states,
            "seconds": round(self.seconds, 1),
            "injected": [
                {"fault": each.fault, "where": each.where, "said": each.said, "lost": round(each.lost, 1),
                 "violations": [[seen.check, seen.seen] for seen in each.violations]}
                for each in self.injected
            ],
            "ending": [[seen.check, seen.seen] for seen in self.ending],
        }  # fmt: skip
