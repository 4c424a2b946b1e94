"""A log beside the store's own tables: database triggers write it, in order, whoever changes what.

It is how the model sees every single change of one step, in the transaction that made it, without asking the code.
"""

import sqlite3
from pathlib import Path
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """One change. `subject`: ring, host, adoption or repository; `more`: JSON or text, by kind."""

    seq: int
    kind: str
    rollout: str
    subject: str
    old: str
    new: str
    more: str


def _trigger(name: str, when: str, values: str) -> str:
    into = "INSERT INTO model_log (kind, rollout, subject, old, new, more) VALUES"
    return f"CREATE TRIGGER model_{name} AFTER {when} BEGIN {into} ({values}); END"


_JUDGED = "'judged', new.rollout, new.counter, json_extract(new.document, '$.blind'), new.verdict, new.evidence"
_PUBLISHED = "'published', '', new.name, {old}, new.revision, new.versions"
_MARKS = "new.kind IN ('dark', 'overdue', 'expired')"

TRIGGERS = (
    (
        "CREATE TABLE model_log (seq INTEGER PRIMARY KEY, kind TEXT, rollout TEXT, subject TEXT, old TEXT, new TEXT,"
        " more TEXT)"
    ),
    _trigger("begun", "INSERT ON rollout", "'rollout', new.id, new.product, '', new.state, new.started_by"),
    _trigger(
        "moved",
        "UPDATE OF state ON rollout WHEN old.state != new.state",
        "'rollout', new.id, new.product, old.state, new.state, old.revision",
    ),
    _trigger("ring_begun", "INSERT ON ring", "'ring', new.rollout, new.name, '', new.state, new.hosts"),
    _trigger(
        "ring_moved",
        "UPDATE OF state ON ring WHEN old.state != new.state",
        "'ring', new.rollout, new.name, old.state, new.state, ''",
    ),
    _trigger("granted", "INSERT ON adoption", "'grant', new.rollout, new.host, new.ring, new.stratum, new.id"),
    _trigger(
        "settled",
        "UPDATE OF state ON adoption WHEN old.state != new.state",
        "'adoption', new.rollout, new.id, old.state, new.state, new.outcome",
    ),
    _trigger(
        "freed",
        "UPDATE OF holding ON adoption WHEN old.holding AND NOT new.holding",
        "'freed', new.rollout, new.id, old.state, new.state, ''",
    ),
    _trigger("judged_first", "INSERT ON judgement", _JUDGED),
    _trigger("judged_next", "UPDATE ON judgement", _JUDGED),
    _trigger(
        "marked", f"INSERT ON event WHEN {_MARKS}", "'marked', new.rollout, new.adoption, new.host, new.kind, new.seq"
    ),
    _trigger("frozen", "INSERT ON freeze", "'freeze', '', new.person, '', new.since > 0, new.number"),
    _trigger("thawed", "UPDATE ON freeze", "'freeze', '', new.person, old.since > 0, new.since > 0, new.number"),
    _trigger("published_first", "INSERT ON repository", _PUBLISHED.format(old=0)),
    _trigger("published_next", "UPDATE ON repository", _PUBLISHED.format(old="old.revision")),
)


class Records:
    """The store's rows as SQL alone shows them: no code of ours is asked."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None)
        self._last = 0

    def close(self) -> None:
        self._connection.close()

    def news(self) -> list[Entry]:
        """What changed since it was asked last, in order."""
        found = [Entry(*row) for row in self.all("SELECT * FROM model_log WHERE seq > ? ORDER BY seq", self._last)]
        self._last = found[-1].seq if found else self._last
        return found

    def all(self, statement: str, *values: Any) -> list[Any]:
        return self._connection.execute(statement, values).fetchall()

    def one(self, statement: str, *values: Any) -> Any:
        """The first column of the first row, None where there is no row."""
        row = self._connection.execute(statement, values).fetchone()
        return None if row is None else row[0]
