"""How the command line speaks: data on stdout, words on stderr.

One `Screen` for a process. With `--json` stdout carries documents only; otherwise text, coloured where a
person looks at it and neither `NO_COLOR`, `--plain` nor `TERM=dumb` says otherwise (clig.dev, no-color.org).
"""

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

COLOURS = {
    "healthy": "green", "completed": "green", "promoted": "green",
    "inconclusive": "yellow", "awaiting-approval": "yellow", "paused": "yellow", "held": "yellow",
    "blind": "magenta", "frozen": "cyan",
    "unhealthy": "red", "halted": "red", "rejected": "red", "rolling-back": "red", "rolled-back": "red",
}  # fmt: skip
GAP = 2  # spaces between columns
_QUOTED = re.compile(r"`[^`\n]*`")
_COMMAND = re.compile(r"\s*(run:?\s+)?rollout ")  # a line to be copied: the terminal's own wrapping keeps it one line
_HARD_SPACE = "\N{NO-BREAK SPACE}"


@dataclass(slots=True)
class Screen:
    """What the flags said about the form of the answer."""

    json: bool = False
    plain: bool = False

    @property
    def live(self) -> bool:
        """Whether a person watches stdout: a picture may be redrawn."""
        return sys.stdout.isatty() and not self.plain and not self.json and os.environ.get("TERM") != "dumb"

    @property
    def colour(self) -> bool:
        """Whether stdout takes colour."""
        return self.live and not os.environ.get("NO_COLOR")

    @property
    def width(self) -> int:
        """Columns of the terminal; 100 where there is none, so that files and pipes do not depend on it."""
        return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100

    def text(self, text: str) -> None:
        """Write data for a person, on a terminal in lines that fit; nothing with --json."""
        if not self.json:
            write((folded(text, self.width) if sys.stdout.isatty() else text) + "\n")

    def document(self, schema: str, body: Mapping[str, Any]) -> None:
        """Write the one document of this command, with its schema; nothing without --json."""
        if self.json:
            write(encoded({"schema": schema, **body}) + "\n")

    def say(self, sentence: str) -> None:
        """Write words: what happens, what to do next. Never data."""
        said = clean(sentence)
        sys.stderr.write((folded(said, shutil.get_terminal_size().columns) if sys.stderr.isatty() else said) + "\n")
        sys.stderr.flush()

    def paint(self, word: str, colour: str | None = None) -> str:
        """Colour a word by its meaning, if this screen takes colour."""
        chosen, shown = colour or COLOURS.get(word), clean(word)
        return click.style(shown, fg=chosen, bold=True) if chosen and self.colour else shown


class ReaderGoneError(Exception):
    """Whoever read stdout has left. Not an OSError: click would end with 1, as if something had failed."""


def write(text: str) -> None:
    """Write to stdout at once: a reader of a pipe gets whole lines."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGoneError from error


def encoded(body: Mapping[str, Any]) -> str:
    """One line of JSON, always valid: what has no number in JSON is refused by `json`, so it never becomes `NaN`."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False, default=str)


def clean(text: object) -> str:
    """Text that came from elsewhere, made safe for a terminal: control characters cannot move the cursor."""
    return "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in str(text))


def folded(text: str, width: int) -> str:
    """Fold lines longer than `width`; neither a word nor a command in backticks is broken."""
    return "\n".join(part for line in text.split("\n") for part in _fold(line, max(20, width)))


def _fold(line: str, width: int) -> list[str]:
    if len(click.unstyle(line)) <= width or _COMMAND.match(line):
        return [line]
    whole = _QUOTED.sub(lambda found: found[0].replace(" ", _HARD_SPACE), line)
    beside = " " * (len(line) - len(line.lstrip()) + GAP)
    parts = textwrap.wrap(
        whole, width, subsequent_indent=beside, break_long_words=False, break_on_hyphens=False, expand_tabs=False
    )
    return [part.replace(_HARD_SPACE, " ") for part in parts]


def short(digest: object) -> str:
    """Return enough of a digest to tell it from others in a table; --json has all of it."""
    return clean(digest)[:16]


def number(value: object) -> str:
    """Show a count or a measure in full: thousands apart, four significant digits after a point, `-` for unknown."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return clean(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def table(rows: Sequence[Sequence[object]], *, left: Iterable[int] = (0,)) -> list[str]:
    """Align rows in columns of their widest cell; nothing is ever cut.

    `left` names the columns aligned to the left, the others to the right. The first row is the heading.
    """
    cells = [[number(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))] if cells else []
    lefts = set(left)
    return [
        (" " * GAP)
        .join(
            cell.ljust(width) if n in lefts else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        .rstrip()
        for row in cells
    ]


def fitting(rows: Sequence[Sequence[object]], width: int) -> list[str]:
    """Show a table of named rows within `width`: as it is, else turned, else turned and in several parts.

    A number is never shortened: a part holds as many of the rows as fit, at least one.
    """
    straight = table(rows, left=(0, 1))
    if max(map(len, straight)) <= width:
        return straight
    heading, names = rows[0], list(rows[1:])
    taken = len(names)
    while taken > 1 and _widest(heading, names, taken) > width:
        taken -= 1
    parts = [table(list(zip(heading, *part, strict=True))) for part in _parts(names, taken)]
    return [line for n, part in enumerate(parts) for line in ([""] if n else []) + part]


def _parts(rows: Sequence[Sequence[object]], size: int) -> list[Sequence[Sequence[object]]]:
    return [rows[at : at + size] for at in range(0, len(rows), max(1, size))]


def _widest(heading: Sequence[object], rows: Sequence[Sequence[object]], size: int) -> int:
    turned = (table(list(zip(heading, *part, strict=True))) for part in _parts(rows, size))
    return max(max(map(len, lines)) for lines in turned)
