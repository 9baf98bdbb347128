"""What the portal's session knows: which code was sent, when the person last showed who they are, what they follow.

It holds ids and times only. A session outlives the person's own erasure, so that whoever asked can still follow it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Concatenate, Final, ParamSpec, cast
from urllib.parse import urlencode
from uuid import UUID

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from allauth.mfa.models import Authenticator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from identity_privacy.access.directory import directory
from identity_privacy.access.errors import CodeNotAccepted
from identity_privacy.access.forms import CodeForm
from identity_privacy.access.middleware import PortalRequest
from identity_privacy.access.models import SignInCode, User
from identity_privacy.access.services import accept_code, request_sign_in_code
from identity_privacy.access.sessions import AWAITED, FOLLOWED
from identity_privacy.access.terms import SignInMethod
from identity_privacy.clock import now

P = ParamSpec("P")

FRESH: Final = timedelta(minutes=5)
APP: Final = Authenticator.Type.TOTP
PASSKEY: Final = Authenticator.Type.WEBAUTHN
_SHOWN_AT: Final = "shown_at"


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


def user_of(request: HttpRequest) -> User:
    """The row of the person who is signed in; for pages that nobody else comes to."""
    return cast("User", request.user)


# --- Showing who one is -------------------------------------------------------------------------------


def await_code(request: HttpRequest, code: SignInCode) -> None:
    """Remember, by its id alone, which code this browser was sent."""
    request.session[AWAITED] = str(code.id)


def awaited_code(request: HttpRequest) -> UUID | None:
    """The code that this browser waits for."""
    code_id = request.session.get(AWAITED)
    # Whoever has an app confirms by it alone: a mailbox must not stand in for it.
    return UUID(code_id) if code_id and not (request.user.is_authenticated and has(request, APP)) else None


def sign_in_by_code(request: HttpRequest, form: CodeForm) -> HttpResponse | None:
    """Go on with a sign-in by the code in the form; one that is not accepted becomes an error of the form."""
    user = _accepted(request, form)
    if user is None:
        return None
    record_authentication(request, user, method=SignInMethod.CODE)
    answer: HttpResponse = perform_login(request, user)
    return answer


def step_up(request: PortalRequest, subject_id: UUID, *, back_to: str, code_page: str = "") -> HttpResponse:
    """Lead a signed-in person to where they show once more who they are, and from there to `back_to`.

    Whoever has an authenticator app is asked for its code; everybody else for one that is mailed now, on `code_page`.
    """
    after = urlencode({"next": back_to})
    if has(request, APP):
        return redirect(f"{reverse('mfa_reauthenticate')}?{after}")
    code = request_sign_in_code(controller=request.controller, email=directory().address_of(subject_id))
    await_code(request, code)
    return redirect(code_page or f"{reverse('access:confirm')}?{after}")


def confirm_by_code(request: HttpRequest, subject_id: UUID, form: CodeForm) -> bool:
    """Whether the code in the form was sent to the person who is signed in here; if not, the form says so."""
    user = _accepted(request, form)
    if user is None:
        return False
    if user.subject_id != subject_id:  # theirs who signed in here before
        form.add_error("code", str(CodeNotAccepted()))
        return False
    confirm(request)
    return True


def confirm(request: HttpRequest) -> None:
    """Remember that just now somebody has shown here who they are."""
    request.session[_SHOWN_AT] = now().isoformat()


def is_fresh(request: HttpRequest) -> bool:
    """Whether somebody has shown here who they are in the last five minutes: enough for what cannot be undone."""
    shown_at = request.session.get(_SHOWN_AT)
    return shown_at is not None and now() - datetime.fromisoformat(shown_at) < FRESH


def has(request: HttpRequest, kind: Authenticator.Type) -> bool:
    """Whether the person who is signed in here has such an authenticator."""
    return bool(Authenticator.objects.filter(user_id=request.user.pk, type=kind).exists())


def _accepted(request: HttpRequest, form: CodeForm) -> User | None:
    code_id = awaited_code(request)
    if code_id is None or not form.is_valid():
        return None
    try:
        user = accept_code(code_id=code_id, code=form.cleaned_data["code"])
    except CodeNotAccepted as error:
        form.add_error("code", str(error))
        return None
    del request.session[AWAITED]
    return user


# --- Following a request ------------------------------------------------------------------------------


def follow(request: HttpRequest, request_id: UUID) -> None:
    """Keep one subject request reachable from this session, also after the person's data is erased."""
    request.session[FOLLOWED] = str(request_id)


def followed(request: HttpRequest) -> UUID | None:
    """The subject request that this session may see without a name."""
    request_id = request.session.get(FOLLOWED)
    return UUID(request_id) if request_id else None
