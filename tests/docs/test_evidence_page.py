"""docs/evidence.md names every field of every row, and what it shows is evidence."""

import re
from pathlib import Path

import pytest

from rollout.evidence.rows import ActRow, AdoptionRow, FailureRow, Header, MeasureRow, TickRow, dump, parse

PAGE = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")
SHOWN = [parse(line, number) for number, line in enumerate(re.findall(r"^\{.*\}$", PAGE, re.MULTILINE), start=1)]


def test_a_row_of_every_kind_is_shown_and_is_evidence():
    assert {type(row) for row in SHOWN} == {Header, FailureRow, AdoptionRow, TickRow, MeasureRow, ActRow}


@pytest.mark.parametrize("kind", [Header, FailureRow, AdoptionRow, TickRow, MeasureRow, ActRow])
def test_every_field_is_shown(kind):
    (row,) = (row for row in SHOWN if type(row) is kind)
    missing = [name for name in kind.__struct_fields__ if f'"{name}":' not in dump(row)]
    assert missing == []
