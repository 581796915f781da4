"""What the server says of itself, to stderr: a JSON object a line, or words on a terminal."""

import logging
import os
import sys
from typing import Any, TextIO

import structlog
from structlog.types import EventDict, Processor

from flowsense.serve.redact import Redact, known


def processors() -> list[Processor]:
    """Of every line, ours or a library's; no secret passes the last of them.

    What was bound with `structlog.contextvars` (the id of a request, say) stands in each line.
    """
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Redact(known(os.environ)),
    ]


def spoken(logger: object, name: str, event: EventDict) -> str:
    """``12:30:05 warning: body refused, code=413 id=ab12``; a traceback below it."""
    at, level, said = (str(event.pop(key, "")) for key in ("timestamp", "level", "event"))
    below = event.pop("exception", "")
    more = " ".join(f"{key}={shown(value)}" for key, value in event.items())
    line = ", ".join(filter(None, (f"{at[11:19]} {level}: {shown(said)}", more)))
    return f"{line}\n{below}" if below else line


def shown(value: object) -> str:
    """As it is; what a terminal would obey, which a path may hold, as Python writes it."""
    text = str(value)
    return text if text.isprintable() else repr(text)


class Lines:
    """Where they go. A disk that is full, or a reader that left, costs lines and no answer."""

    def __init__(self, into: TextIO) -> None:
        self.into, self.lost = into, 0

    def write(self, text: str) -> int:
        try:
            return self.into.write(text)
        except (OSError, ValueError):
            self.lost += 1
            return len(text)

    def flush(self) -> None:
        try:
            self.into.flush()
        except (OSError, ValueError):
            self.lost += 1


def configure(level: str = "info") -> None:
    """Of the whole process: what libraries log goes the same way, from `warning` on."""
    lines: Any = Lines(sys.stderr)
    render: Processor = spoken if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*processors(), render],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(lines),
    )
    handler = logging.StreamHandler(lines)
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[meta, *processors(), render])
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
