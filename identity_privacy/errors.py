"""What can go wrong, in the service's own words; `problems.py` turns each into an answer."""

from typing import ClassVar


class ServiceError(Exception):
    """Base of every error that the service raises on purpose; carries ids only, never a personal value."""

    code: ClassVar[str] = "service-error"
    title: ClassVar[str] = "Something went wrong"


class Refused(ServiceError):
    """A rule says no: the thing exists and you may ask, but not now or not so."""

    code = "refused"
    title = "A rule does not allow this"


class NotAuthenticated(ServiceError):
    """Who asks has not been shown: nobody signed in, or the signature is missing, wrong or too old."""

    code = "not-authenticated"
    title = "We cannot tell who this is from"


class NotPermitted(ServiceError):
    """You may see this, but not do that to it."""

    code = "not-permitted"
    title = "You are not allowed to do this"


class TooOften(ServiceError):
    """It was asked or tried more often than is allowed within a while; `Retry-After` says when it may be again."""

    code = "throttled"
    title = "Too many tries: please wait a while"

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds


class NotFound(ServiceError):
    """It does not exist, or not for you: the two look alike on purpose."""

    code = "not-found"
    title = "Not found"


class Invalid(ServiceError):
    """What was sent cannot be read; `field` names the place and the message says what to do."""

    code = "invalid"
    title = "What was sent cannot be read"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class PartnerFailure(ServiceError):
    """A linked system did not do what was asked; `permanent` says that asking again is no use."""

    code = "partner-failure"
    title = "A linked system did not answer as it should"

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class IntegrityFailure(ServiceError):
    """Stored bytes are not what was stored: an alarm inside, and no word of why to the outside."""

    code = "integrity-failure"
    title = "Something broke on our side"
