"""Content records: does each carry exactly the values that the deployed interpreter supplies?

On 19 July 2024 a template declared 21 fields and the interpreter supplied 20; the 21st was read out of
bounds. So a `.csv` (no header) or `.jsonl` (one array a line) is read record by record and every record
must have exactly as many values as `content.fields`, and `fields` what the trust folder says. Other endings are opaque.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping

from rollout.errors import Problem
from rollout.release.manifest import Content
from rollout.release.trust import TrustPolicy

LARGEST_RECORD = 1024 * 1024  # bytes; a record is held in memory as values, some fifty times its text


class RecordError(ValueError):
    """A record cannot be read; the text says which and why."""


def problems(content: Content, payload: Mapping[str, bytes], trust: TrustPolicy) -> Iterator[Problem]:
    """Yield the `content` problems: the schema's, then the first bad record of each file of `payload`."""
    supplied = trust.content_schemas.get(content.schema_id)
    if supplied is None:
        yield Problem("content", f"no interpreter of schema {content.schema_id!r} is known to the trust folder")
    elif supplied != content.fields:
        yield Problem("content", f"declares {content.fields} fields, the deployed interpreter supplies {supplied}")
    for path, data in payload.items():
        reason = _first_bad_record(path, data, content.fields)
        if reason is not None:
            yield Problem("content", f"{path}: {reason}")


def _first_bad_record(path: str, data: bytes, fields: int) -> str | None:
    try:
        for number, values in enumerate(_widths(path.lower(), data), start=1):
            if values != fields:
                return f"record {number} has {values} values, {fields} are declared"
    except RecordError as error:
        return str(error)
    return None


def _widths(path: str, data: bytes) -> Iterator[int]:
    """Yield the number of values of each record; nothing for a file of opaque form."""
    if path.endswith(".csv"):
        return _csv_widths(data)
    return _jsonl_widths(data) if path.endswith(".jsonl") else iter(())


def _csv_widths(data: bytes) -> Iterator[int]:
    lines = _Lines(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=""))
    reader = csv.reader(lines, strict=True)
    try:
        for row in reader:
            lines.used = 0
            yield len(row)
    except (csv.Error, UnicodeDecodeError) as error:
        raise RecordError(f"line {reader.line_num + 1} is not UTF-8 comma-separated values: {error}") from error


class _Lines:
    """Lines for the csv reader that stop before one record, quoted line ends included, grows too large."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.used = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(LARGEST_RECORD + 1)
        self.used += len(line)
        if self.used > LARGEST_RECORD:
            raise RecordError(f"a record is longer than {LARGEST_RECORD} characters")
        if not line:
            raise StopIteration
        return line


def _jsonl_widths(data: bytes) -> Iterator[int]:
    stream, number = io.BytesIO(data), 0
    while line := stream.readline(LARGEST_RECORD + 1):
        number += 1
        if len(line) > LARGEST_RECORD:
            raise RecordError(f"line {number} is longer than {LARGEST_RECORD} bytes")
        yield len(_array(line, number))


def _array(line: bytes, number: int) -> list[object]:
    try:
        found = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # bad UTF-8, bad JSON, endless digits, endless nesting
        raise RecordError(f"line {number} is not JSON: {error}") from error
    if not isinstance(found, list):
        raise RecordError(f"line {number} is not an array")
    return found


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")
