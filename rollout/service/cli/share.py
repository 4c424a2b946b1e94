"""Shares and rates as the command line takes them."""

import math
from typing import Any

import click


class Share(click.FloatRange):
    """A number from 0 to 1, or to `most`; not-a-number, which no comparison finds out of range, is refused."""

    def __init__(self, most: float = 1) -> None:
        super().__init__(0, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; a usage error where it is none, or out of range."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number
