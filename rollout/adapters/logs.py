"""Structured logs: one JSON object a line on stderr, with the ids given as `extra`; never a key or a token."""

import json
import logging
import sys
from datetime import UTC, datetime

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECRET = frozenset({"token", "key", "secret", "authorization", "signature", "password"})


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, and whatever `extra` carried, but nothing named like a secret."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        extra = {name: value for name, value in vars(record).items() if name not in _PLAIN and name not in _SECRET}
        if record.exc_info:
            extra["error"] = self.formatException(record.exc_info)
        return json.dumps(line | extra, default=str)


def configure(role: str = "rollout", level: int = logging.INFO) -> None:
    """Log to stderr in this process; `role` names it in every line."""

    def name(record: logging.LogRecord) -> bool:
        record.role = role
        return True

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(name)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
