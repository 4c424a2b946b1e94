"""Blocks of code in the documentation: what a page shows is what runs."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, label: str) -> list[str]:
    """Return the text of every block whose fence says exactly this, in order."""
    return re.findall(rf"^```{re.escape(label)}\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
