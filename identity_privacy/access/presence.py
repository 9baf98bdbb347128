"""What the portal's session knows: which code was sent, how fresh the sign-in is, which request stays reachable.

It holds ids and times only. A session outlives the person's own erasure, so that whoever asked can still follow it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Concatenate, Final, ParamSpec
from uuid import UUID

from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from identity_privacy.access.errors import CodeNotAccepted
from identity_privacy.access.forms import CodeForm
from identity_privacy.access.middleware import PortalRequest
from identity_privacy.access.models import SignInCode, User
from identity_privacy.access.services import sign_in_with_code
from identity_privacy.access.sessions import FOLLOWED
from identity_privacy.clock import now

P = ParamSpec("P")

FRESH: Final = timedelta(minutes=5)
_CODE: Final = "sign_in_code"
_SIGNED_IN_AT: Final = "signed_in_at"


def at_controller(
    view: Callable[Concatenate[PortalRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """A page of one controller's portal; 404 under a host name that belongs to none."""

    @wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if getattr(request, "controller", None) is None:
            raise Http404
        return view(request, *args, **kwargs)  # type: ignore[arg-type]  # the middleware has made it one

    return inner


def for_subject(
    view: Callable[Concatenate[PortalRequest, UUID, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """A page for a signed-in person, whose id the view is given; others are led to the sign-in."""

    @at_controller
    @wraps(view)
    def inner(request: PortalRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.subject_id is None:
            return redirect("access:sign-in")
        return view(request, request.subject_id, *args, **kwargs)

    return inner


def await_code(request: HttpRequest, code: SignInCode) -> None:
    """Remember, by its id alone, which code this browser was sent."""
    request.session[_CODE] = str(code.id)


def awaited_code(request: HttpRequest) -> UUID | None:
    """The code that this browser waits for."""
    code_id = request.session.get(_CODE)
    return UUID(code_id) if code_id else None


def enter_code(request: HttpRequest, form: CodeForm) -> User | None:
    """Sign in by the code in the form; a code that is not accepted becomes an error of the form."""
    code_id = awaited_code(request)
    if code_id is None or not form.is_valid():
        return None
    try:
        user = sign_in_with_code(code_id=code_id, code=form.cleaned_data["code"])
    except CodeNotAccepted as error:
        form.add_error("code", str(error))
        return None
    _sign_in(request, user)
    return user


def _sign_in(request: HttpRequest, user: User) -> None:
    # Under a new session key, so that nobody can have planted the old one.
    request.session.pop(_CODE, None)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session.cycle_key()
    request.session[_SIGNED_IN_AT] = now().isoformat()


def is_fresh(request: HttpRequest) -> bool:
    """Whether a code was entered here in the last five minutes: enough for an act that cannot be undone."""
    signed_in_at = request.session.get(_SIGNED_IN_AT)
    return signed_in_at is not None and now() - datetime.fromisoformat(signed_in_at) < FRESH


def follow(request: HttpRequest, request_id: UUID) -> None:
    """Keep one subject request reachable from this session, also after the person's data is erased."""
    request.session[FOLLOWED] = str(request_id)


def followed(request: HttpRequest) -> UUID | None:
    """The subject request that this session may see without a name."""
    request_id = request.session.get(FOLLOWED)
    return UUID(request_id) if request_id else None
