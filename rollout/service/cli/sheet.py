"""Tables as CSV (RFC 4180), for people who walk from host to host with a spreadsheet."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

# A spreadsheet takes a cell that begins so for a formula (OWASP: CSV injection); what a host says of itself is foreign.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_of(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a heading and a line for each row; what is not known is an empty cell, and no cell is a formula."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)  # its own form is RFC 4180: commas, doubled quotes, CRLF
    lines.writerow(columns)
    lines.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        value = " ".join(f"{name}={each}" for name, each in value.items())
    shown = str(value)
    return f"'{shown}" if shown.lstrip(" ").startswith(FORMULA) and not isinstance(value, int | float) else shown
