"""JSON logs, one object a line on standard output, each with the id of the request it belongs to."""

import json
import logging
import re
import sys
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

REQUEST_ID_HEADER: Final = "X-Request-Id"
request_id: ContextVar[str] = ContextVar("request_id", default="")

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def accept_request_id(offered: str | None) -> str:
    """The caller's id when it is safe to log and to pass on, else a new one."""
    if offered and _ACCEPTED_ID.fullmatch(offered):
        return offered
    return uuid.uuid4().hex


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object; what is given as `extra` becomes fields of it."""

    def __init__(self, *, service: str, pod: str) -> None:
        super().__init__()
        self._always = {"service": service, "pod": pod}

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            **self._always,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := request_id.get():
            fields["request_id"] = current
        fields.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


def configure_logs(*, service: str, pod: str, level: str) -> None:
    """Send every logger's records to standard output as JSON; raises nothing."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service=service, pod=pod))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("sanic.root", "sanic.error", "sanic.server", "sanic.access", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        # Sanic tells of every connection and worker; the middleware logs what matters about a request itself.
        logger.setLevel("WARNING")
