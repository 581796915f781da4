"""What the server says of itself: one JSON object a line, to stderr."""

import logging
import os
import sys

import structlog
from structlog.types import Processor

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


def configure(level: str = "info") -> None:
    """Of the whole process: what libraries log goes the same way, from `warning` on."""
    render = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*processors(), render],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[meta, *processors(), render])
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
