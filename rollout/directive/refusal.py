"""Why a host refuses: one stable code per line of the host's rules (INTERFACES section 2)."""

from typing import Literal

from rollout.errors import RolloutError

Code = Literal[
    "metadata",
    "lease-over",
    "clock",
    "lease-too-long",
    "wrong-ring",
    "delegation",
    "target-name",
    "mismatch",
    "exposure",
    "warrant",
    "downgrade",
    "floor",
    "epoch",
    "hardware",
    "duplicate-key",
    "fetch",
]


class RefusedError(RolloutError):
    """The host does not act on this metadata; `code` names the line that does not hold."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail, slug=code)
        self.code: Code = code
