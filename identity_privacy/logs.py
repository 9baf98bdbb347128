"""What a log line tells of an error: where it was raised and of which kind, never its text.

The text of an error that is not ours may hold anything: the database's own repeats the row that it refused, a parser's
the value that it could not read. Ours (`ServiceError`) hold ids alone, and are told.
"""

import logging
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import TypeAlias

from identity_privacy.errors import ServiceError

ExceptionInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LineFormatter(logging.Formatter):
    """A line for each record; of errors the places and the kinds."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, whatever another formatter has left in the record."""
        record.exc_text = None
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # the standard library's name
        """The message, without the text of the error that comes with it."""
        line = super().formatMessage(record)
        for error in _chain(record.exc_info[1] if record.exc_info else None):
            if not isinstance(error, ServiceError) and str(error):
                line = line.replace(repr(error), type(error).__name__).replace(str(error), type(error).__name__)
        return line

    def formatException(self, ei: ExceptionInfo) -> str:  # the standard library's name
        """Where the error was raised, what kind it is, and the same of those that it came from."""
        return "\n".join(_told(error) for error in reversed(list(_chain(ei[1]))))


def _told(error: BaseException) -> str:
    kind = type(error)
    text = f": {error}" if isinstance(error, ServiceError) and str(error) else ""
    places = "".join(traceback.format_tb(error.__traceback__))
    return f"{places}{kind.__module__}.{kind.__qualname__}{text}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
