"""Write the next version: what a database of the newest version lacks of the present schema.

Two things it cannot write are added by hand: rows, and what data a changed column keeps.
"""

import sys
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from rollout.adapters.store.migrate import alembic_config


def write_version(message: str) -> None:
    """Write `versions/NNNN_<message>.py` from the difference, found on a database in memory."""
    config = alembic_config()
    number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
    with create_engine("sqlite://").connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        written = command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")
    print(Path(written.path).name if written and not isinstance(written, list) else written)  # noqa: T201 - its answer


if __name__ == "__main__":
    write_version(" ".join(sys.argv[1:]) or "change")
