"""Days and epochs on the command line."""

from argparse import ArgumentTypeError
from datetime import date
from typing import Final

# Nothing that this service keeps is older.
EARLIEST: Final = date(1970, 1, 1)
_LAST_EPOCH: Final = 2**31 - 1


def day(text: str) -> date:
    """A day as 2027-01-01. Raises: ArgumentTypeError."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"a date as 2027-01-01, not {text!r}") from None
    if found < EARLIEST:
        raise ArgumentTypeError(f"a date since {EARLIEST}, not {text!r}")
    return found


def epoch(text: str) -> int:
    """The number of an epoch of the log. Raises: ArgumentTypeError."""
    if not text.isdecimal() or not 1 <= (found := int(text[:20])) <= _LAST_EPOCH:
        raise ArgumentTypeError(f"the number of an epoch, from 1, not {text[:20]!r}")
    return found
