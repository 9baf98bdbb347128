r"""The one place where an error becomes an HTTP answer: RFC 9457 problem details.

    HTTP/1.1 400 Bad Request
    Content-Type: application/problem+json

    {"type": "/problems/invalid", "title": "What was sent cannot be read", "status": 400,
     "errors": [{"field": "outcome", "detail": "\"gone\" is not a valid choice."}]}

`type` ends in the error's `code`, which never changes; `docs/reference/errors.md` lists them all.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Final, NotRequired, TypedDict

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from identity_privacy.crypto.errors import RootKeyUnavailable
from identity_privacy.errors import (
    IntegrityFailure,
    Invalid,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    PartnerFailure,
    Refused,
    ServiceError,
    TooOften,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
# Where paths belong to machines: there a page in HTML would be no answer.
MACHINE_PATHS: Final = ("/api/", "/.well-known/")

STATUS: Final[Mapping[type[ServiceError], int]] = {
    Invalid: 400,
    NotAuthenticated: 401,
    NotPermitted: 403,
    NotFound: 404,
    Refused: 409,
    TooOften: 429,
    IntegrityFailure: 500,
    PartnerFailure: 502,
    # What is none of these: a part of the service itself is not there at the moment.
    ServiceError: 503,
}

# The framework's own errors, under the same codes as ours where they mean the same.
_FRAMEWORK_CODES: Final[Mapping[int, type[ServiceError]]] = {
    400: Invalid,
    401: NotAuthenticated,
    403: NotPermitted,
    404: NotFound,
    429: TooOften,
}


class FieldError(TypedDict):
    """What is wrong with one field of what was sent; `field` is a dotted path into the body."""

    field: str
    detail: str


class Problem(TypedDict):
    """The body of every answer that is an error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: NotRequired[str]
    errors: NotRequired[list[FieldError]]


def status_of(error: type[ServiceError]) -> int:
    """The HTTP status of an error, from the nearest of its base classes that has one."""
    return next(STATUS[base] for base in error.__mro__ if base in STATUS)


def problem_of(error: ServiceError) -> Problem:
    """What the outside learns of an error: of broken integrity, only that something broke."""
    if isinstance(error, IntegrityFailure):
        return _problem(IntegrityFailure.code, IntegrityFailure.title, status_of(IntegrityFailure))
    problem = _problem(error.code, error.title, status_of(type(error)))
    if isinstance(error, Invalid):
        problem["errors"] = [{"field": error.field, "detail": str(error)}]
    elif str(error) and not isinstance(error, RootKeyUnavailable):  # its message is for the operator alone
        problem["detail"] = str(error)
    return problem


def exception_handler(error: Exception, context: Mapping[str, object]) -> Response | None:
    """Answer an error that reached an API view; the framework calls this (`REST_FRAMEWORK["EXCEPTION_HANDLER"]`)."""
    headers = {}
    if isinstance(error, ServiceError):
        problem = problem_of(error)
        if isinstance(error, NotAuthenticated):
            headers["WWW-Authenticate"] = "Webhook-Signature"  # a 401 names the way in (RFC 9110, 11.6.1)
        view = context["view"].__class__.__name__
        if isinstance(error, TooOften):
            headers["Retry-After"] = str(error.retry_after_seconds)
        if isinstance(error, RootKeyUnavailable):
            headers["Retry-After"] = str(error.retry_after_seconds)
            logger.error("%s: %s: %s", view, error.code, error)
        elif problem["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("%s: %s", view, error.code)
    elif isinstance(error, exceptions.APIException | Http404 | PermissionDenied):
        known = _as_framework_error(error)
        problem = _framework_problem(known)
        headers = {
            name: str(value)
            for name, value in (
                ("WWW-Authenticate", getattr(known, "auth_header", None)),
                ("Retry-After", getattr(known, "wait", None)),
            )
            if value
        }
    elif isinstance(error, RequestDataTooBig):
        problem = _problem("too-large", "What was sent is too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    else:
        return None
    set_rollback()
    return Response(problem, status=problem["status"], headers=headers, content_type=MEDIA_TYPE)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """`handler400`, for what the framework refuses before a view has it: as `page_not_found`."""
    if request.path.startswith(MACHINE_PATHS):
        return _answer(_problem(Invalid.code, Invalid.title, 400))
    return defaults.bad_request(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """`handler404`: a problem under the machines' paths, a page elsewhere."""
    if request.path.startswith(MACHINE_PATHS):
        return _answer(_problem(NotFound.code, NotFound.title, 404))
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """`handler500`: as `page_not_found`, and never a word of what broke.

    Here too ends what middleware raises, such as a session that cannot be opened while the root key cannot be had.
    """
    error = sys.exc_info()[1]
    if isinstance(error, RootKeyUnavailable):
        return _come_back(request, error)
    if request.path.startswith(MACHINE_PATHS):
        return _answer(_problem(IntegrityFailure.code, IntegrityFailure.title, 500))
    return defaults.server_error(request)


class RefusalPages:
    """Middleware: what a service refuses is answered as such outside of the API's views too, never as our mistake.

    On a page that is a page with the error's title, under the machines' paths a problem.

    Errors of our own making (500 and above) stay what they are, so that they are logged and answered as such.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Nothing happens on the way in and out."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The page of an error that a view let through."""
        if not isinstance(error, ServiceError):
            return None
        status = status_of(type(error))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return None
        if request.path.startswith(MACHINE_PATHS):
            answer = _answer(problem_of(error))
        else:
            answer = render(request, "refused.html", {"title": gettext(error.title)}, status=status)
        if isinstance(error, TooOften):
            answer["Retry-After"] = str(error.retry_after_seconds)
        return answer


def _problem(code: str, title: str, status: int) -> Problem:
    return {"type": f"/problems/{code}", "title": title, "status": status}


def _come_back(request: HttpRequest, error: RootKeyUnavailable) -> HttpResponse:
    status = status_of(RootKeyUnavailable)
    if request.path.startswith(MACHINE_PATHS):
        answer = _answer(problem_of(error))
    else:
        # Without the request: what pages say of the person in their frame may need the very key.
        answer = HttpResponse(render_to_string("503.html"), status=status)
    answer["Retry-After"] = str(error.retry_after_seconds)
    return answer


def _answer(problem: Problem) -> HttpResponse:
    return JsonResponse(problem, status=problem["status"], content_type=MEDIA_TYPE)


def _as_framework_error(error: exceptions.APIException | Http404 | PermissionDenied) -> exceptions.APIException:
    if isinstance(error, Http404):
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    return error


def _framework_problem(error: exceptions.APIException) -> Problem:
    ours = _FRAMEWORK_CODES.get(error.status_code)
    if ours:
        problem = _problem(ours.code, ours.title, error.status_code)
    else:
        code = str(error.default_code).replace("_", "-")
        problem = _problem(code, HTTPStatus(error.status_code).phrase, error.status_code)
    if isinstance(error, exceptions.ValidationError):
        problem["errors"] = list(_field_errors(error.detail))
    elif not isinstance(error, exceptions.NotFound):
        problem["detail"] = str(error.detail)
    return problem


def _field_errors(detail: object, path: str = "") -> Iterator[FieldError]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = "" if name == "non_field_errors" else str(name)
            yield from _field_errors(inner, ".".join(part for part in (path, own) if part))
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping)
            yield from _field_errors(inner, f"{path}.{index}" if nested else path)
    else:
        yield {"field": path, "detail": str(detail)}
