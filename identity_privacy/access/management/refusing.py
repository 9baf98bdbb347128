"""What a service refuses, in an operator's one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

from identity_privacy.errors import Invalid, NotFound, Refused


@contextmanager
def refusals_in_one_line() -> Iterator[None]:
    """Raises: CommandError, for what the service calls invalid, not there or not to be done."""
    try:
        yield
    except Invalid as error:
        raise CommandError(f"{error.field}: {error}") from None
    except NotFound as error:
        raise CommandError(str(error)) from None
    except Refused as refusal:
        raise CommandError(refusal.title) from None
