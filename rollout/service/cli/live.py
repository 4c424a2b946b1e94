"""A rollout while it is followed: a picture redrawn in a terminal, elsewhere a line where something changed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from rollout.service.cli import view
from rollout.service.cli.output import Screen, encoded, write
from rollout.service.cli.session import ROLLOUT

if TYPE_CHECKING:
    from rich.live import Live


class Shown(Protocol):
    """Where a followed rollout is shown."""

    def show(self, found: dict[str, Any]) -> None:
        """Show its document."""
        ...

    def away(self, why: str) -> None:
        """Say that the server does not answer, and that it is asked again."""
        ...


class Silence:
    """Nothing is shown."""

    def show(self, found: dict[str, Any]) -> None:
        """Show nothing."""

    def away(self, why: str) -> None:
        """Say nothing."""


@contextmanager
def shown_on(screen: Screen) -> Iterator[Shown]:
    """Yield how to show a rollout on this screen."""
    if not screen.live:
        yield _Lines(screen)
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.live import Live  # noqa: PLC0415 - as above

    # Transient: what stays on the terminal is one whole picture, whatever its height.
    with Live(console=Console(highlight=False), auto_refresh=False, transient=True, vertical_overflow="crop") as live:
        picture = _Picture(screen, live)
        try:
            yield picture
        finally:
            live.stop()
            picture.leave()


class _Picture:
    """One picture, redrawn in place; never higher than the terminal, or each redrawing would scroll it."""

    def __init__(self, screen: Screen, live: "Live") -> None:
        self._screen = screen
        self._live = live
        self._last: dict[str, Any] | None = None

    def show(self, found: dict[str, Any]) -> None:
        """Redraw."""
        self._last = found
        self._draw()

    def away(self, why: str) -> None:
        """Put the trouble under what was seen last."""
        self._draw(_again(why))

    def leave(self) -> None:
        """Leave the whole last picture on the terminal."""
        if self._last is not None:
            self._screen.text(view.rollout(self._last, self._screen))

    def _draw(self, note: str = "") -> None:
        from rich.text import Text  # noqa: PLC0415 - as above

        words = view.wrapped(note, self._screen) if note else []
        height = shutil.get_terminal_size((100, 24)).lines - 1 - len(words)
        lines = [] if self._last is None else [view.within(self._last, self._screen, max(1, height))]
        self._live.update(Text.from_ansi("\n".join([*lines, *words])), refresh=True)


class _Lines:
    """One line a change: NDJSON or words."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._last: object = None
        self._told = False

    def show(self, found: dict[str, Any]) -> None:
        """Write the document if it says something new; its age alone is nothing new."""
        self._told = False
        told = {name: value for name, value in found.items() if name != "data_age"}
        line = told if self._screen.json else view.summary(found)
        if line == self._last:
            return
        self._last = line
        write(encoded({"schema": ROLLOUT, **found}) + "\n" if self._screen.json else f"{line}\n")

    def away(self, why: str) -> None:
        """Say so once."""
        if not self._told:
            self._screen.say(_again(why))
        self._told = True


def _again(why: str) -> str:
    return f"asking again: {why.partition(';')[0]}"
