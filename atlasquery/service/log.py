"""The log of the package: a child of astroquery's, but written to standard error only."""

import logging
import sys

from astropy.logger import AstropyLogger
from astropy.logger import StreamHandler as AstropyHandler
from astroquery import log as _above

from atlasquery.redaction import safe_text

__all__ = ["log"]

NAME = "astroquery.atlasquery"


class _ErrorOutput(logging.Handler):
    """Write to the present standard error, which a notebook may replace."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is not None:
            where = getattr(record, "origin", record.name)
            # The message may quote a server.
            message = safe_text(record.getMessage())
            print(f"{record.levelname}: {message} [{where}]", file=sys.stderr)


def _not_ours(record: logging.LogRecord) -> bool:
    """Return whether astropy's handler, which writes INFO to standard output, should show it."""
    return record.name != NAME


def _logger() -> logging.Logger:
    previous = logging.getLoggerClass()
    logging.setLoggerClass(AstropyLogger)
    try:
        logger = logging.getLogger(NAME)
    finally:
        logging.setLoggerClass(previous)
    logger.addHandler(_ErrorOutput())
    for handler in _above.handlers:
        if isinstance(handler, AstropyHandler):
            handler.addFilter(_not_ours)
    return logger


#: ``logging.getLogger("astroquery.atlasquery")``; its level is that of ``astroquery.log``.
log = _logger()
