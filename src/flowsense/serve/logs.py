"""What the server says of itself: one JSON object a line, to stderr."""

import logging
import sys

import structlog


def configure(level: str = "info") -> None:
    """Of the whole process. Nothing that is logged holds a key, a query or a body."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
