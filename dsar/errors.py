"""What can go wrong with subject requests."""

from identity_privacy.errors import IntegrityFailure, Invalid, NotFound, Refused


class NotNow(Refused):
    """The request's state does not allow this step; see the table of states."""

    code = "not-now"
    title = "This is not possible at this stage of the request"


class UnknownTask(NotFound):
    """No such task, or it belongs to another linked system."""

    code = "unknown-task"
    title = "This task does not exist"


class UnreadableResult(Invalid):
    """A linked system's result cannot be read; the message names the member and what it must be."""

    code = "unreadable-result"
    title = "The result cannot be read"


class UnknownHolidays(Refused):
    """The calendar of public holidays ends before the day that it is asked for."""

    code = "unknown-holidays"
    title = "The public holidays of that year are not known"


class NotErased(IntegrityFailure):
    """Our own stores still hold something of a person whose erasure was carried out."""

    code = "not-erased"
    title = "Something of this person is left"
