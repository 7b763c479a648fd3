"""Structured log: one line of JSON an event, on standard error. Plain token issues are here, audited facts in the journal.

Callers pass names and identifiers, never secrets; what looks like one is refused by the tests of `tests/house`.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

logger = logging.getLogger("mag")


class JsonFormatter(logging.Formatter):
    """One record, one line. An exception is told by its type and place, never with values."""

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"at": at, "level": record.levelname, "logger": record.name, "message": record.getMessage(), **fields}
        if record.exc_info and record.exc_info[1] is not None:
            error, trace = record.exc_info[1], record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            line["error"] = type(error).__name__
            line["where"] = f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else None
        return orjson.dumps(line, default=str).decode()


def configure(level: str) -> None:
    """Once a process. The `authlib` logger stays at INFO: below, it prints tokens."""
    if not any(isinstance(h.formatter, JsonFormatter) for h in logger.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonFormatter())
        logger.addHandler(handler)
        logger.propagate = False
    logger.setLevel(level)
    logging.getLogger("authlib").setLevel(logging.INFO)


def note(message: str, **fields: Any) -> None:
    """An ordinary fact."""
    if logger.isEnabledFor(logging.INFO):
        logger.info(message, extra={"fields": fields})
