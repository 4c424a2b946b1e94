"""The journal: what this host intends and did, each record durable before the step that it tells of.

One line a record: 16 hex digits, a space, the record as JSON. The digits are of the sha256 over the line before and
this record, so a line that was changed, moved or taken out is noticed. The last line alone may be torn: its writer
died before it acted on it, so it never happened. Anything else that is wrong is damage, and is never guessed at.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollout.adapters.trust.files import replace
from rollout.errors import DamagedError
from rollout.host.course import Act, Course, History, IllegalMoveError, fold

FILE = "journal"
SCHEMA = "rollout.journal/1"
LONGEST = 16 * 1024 * 1024
COMPACT = 64 * 1024  # bytes; about a hundred adoptions
_DIGITS = 16
_LINE = re.compile(rb"[^\n]*\n|[^\n]+\Z")


class Journal:
    """An open journal; `history` is what it adds up to. Without a file it lives in memory only."""

    def __init__(self, history: History, file: "_File | None" = None) -> None:
        self.history = history
        self._file = file

    def note(self, act: Act, product: str, **facts: Any) -> Course | None:
        """Write one record, durable before return; the product's course after it.

        Raises:
            IllegalMoveError: the record cannot follow; nothing was written.
            OSError: it could not be made durable: do not act on it.
        """
        record = {"act": act.value, "product": product, **facts}
        after = fold(self.history, record)
        if self._file is not None:
            self._file.append(record)
        self.history = after
        if self._file is not None and self._file.length > COMPACT:
            self._file.replace(after)
        return after.courses.get(product)


def create(folder: Path) -> None:
    """Begin a journal where there is none."""
    if not (folder / FILE).exists():
        replace(folder / FILE, _line("", _head(History())), mode=0o600)


def renew(folder: Path, stamp: int) -> None:
    """Put a journal aside as `journal.<stamp>`, for a person to read, and begin a new one."""
    if (folder / FILE).exists():
        (folder / FILE).replace(folder / f"{FILE}.{stamp}")
    create(folder)


def open_journal(folder: Path) -> Journal:
    """Open and fold; a torn last line is cut off. DamagedError for anything else that cannot be read."""
    path = folder / FILE
    data = _read(path)
    history, digits, good = _folded(data)
    if good < len(data):
        _cut(path, good)
    return Journal(history, _File(path, digits, good))


def lost() -> Journal:
    """A journal in memory, for a host whose own is damaged: it goes back, and never forward."""
    return Journal(History())


class _File:
    """The end of a journal file; `length` in bytes."""

    def __init__(self, path: Path, digits: str, length: int) -> None:
        self._path = path
        self._digits = digits
        self.length = length

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a line; one that could not be written whole is cut off again, or is torn."""
        line = _line(self._digits, record)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            try:
                _write(descriptor, line)
            except OSError:
                os.ftruncate(descriptor, self.length)
                raise
        finally:
            os.close(descriptor)
        self._digits, self.length = line[:_DIGITS].decode(), self.length + len(line)

    def replace(self, history: History) -> None:
        """Begin again with one line that says all of it."""
        line = _line("", _head(history))
        replace(self._path, line, mode=0o600)
        self._digits, self.length = line[:_DIGITS].decode(), len(line)


def _write(descriptor: int, line: bytes) -> None:
    if os.write(descriptor, line) != len(line):
        raise OSError("the journal's line was not written whole: is the disk full?")
    os.fsync(descriptor)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST + 1)
    except OSError as error:
        raise DamagedError(f"the journal cannot be read: {error.strerror}", slug="journal") from error
    if len(data) > LONGEST:
        raise DamagedError(f"the journal is larger than {LONGEST} bytes", slug="journal")
    return data


def _folded(data: bytes) -> tuple[History, str, int]:
    """The history, the digits of the last good line, and how many bytes the good lines are."""
    history, digits, good = None, "", 0
    lines = _LINE.findall(data)
    for number, line in enumerate(lines, 1):
        record = _record(digits, line)
        if record is None:
            if number == len(lines) and history is not None:
                break  # torn: its writer died before it acted on it
            raise DamagedError(f"line {number} of the journal is not what was written", slug="journal")
        try:
            history = _begun(record) if history is None else fold(history, record)
        except IllegalMoveError as error:
            raise DamagedError(f"line {number} of the journal: {error}", slug="journal") from error
        digits, good = line[:_DIGITS].decode(), good + len(line)
    if history is None:
        raise DamagedError("the journal is empty", slug="journal")
    return history, digits, good


def _record(digits: str, line: bytes) -> Mapping[str, Any] | None:
    """The record of a line that follows `digits`; None where it is not whole."""
    found, text = line[:_DIGITS], line[_DIGITS + 1 : -1]
    if not line.endswith(b"\n") or line[_DIGITS : _DIGITS + 1] != b" " or _digest(digits, text) != found:
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _line(digits: str, record: Mapping[str, Any]) -> bytes:
    text = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    return _digest(digits, text) + b" " + text + b"\n"


def _digest(digits: str, text: bytes) -> bytes:
    return hashlib.sha256(digits.encode() + text).hexdigest()[:_DIGITS].encode()


def _head(history: History) -> Mapping[str, Any]:
    """The first line: all that the records before it added up to."""
    courses = [course.to_json() for course in history.courses.values()]
    return {"schema": SCHEMA, "courses": courses, "left": sorted(history.left), "records": history.records}


def _begun(head: Mapping[str, Any]) -> History:
    courses, left, records = head.get("courses"), head.get("left"), head.get("records")
    if head.get("schema") != SCHEMA or not isinstance(courses, list) or not isinstance(left, list):
        raise IllegalMoveError(f"it does not begin a journal of schema {SCHEMA}")
    if type(records) is not int or not all(isinstance(name, str) for name in left):
        raise IllegalMoveError("its first line is not of its form")
    found = [Course.from_json(course) for course in courses]
    return History({course.product: course for course in found}, frozenset(left), records)


def _cut(path: Path, length: int) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.ftruncate(descriptor, length)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
