"""What a person signs in with, where they are signed in, and when they were."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import generate_recovery_codes, view_recovery_codes
from allauth.mfa.totp.views import activate_totp, deactivate_totp
from allauth.mfa.webauthn.internal.auth import WebAuthn
from allauth.mfa.webauthn.views import AddWebAuthnView, remove_webauthn
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from identity_privacy.access import services
from identity_privacy.access.middleware import PortalRequest
from identity_privacy.access.models import BarredAccount, Session, SignIn, User
from identity_privacy.access.presence import for_subject, is_fresh, step_up, user_of
from identity_privacy.access.providers import providers_of
from identity_privacy.access.services.sign_ins import device_in_words
from identity_privacy.clock import machine_now

_SHOWN: Final = 20
_Account = TypeVar("_Account", SocialAccount, BarredAccount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A browser in which the person is signed in."""

    session: Session
    device: str
    is_this: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A sign-in, in words."""

    sign_in: SignIn
    device: str


@never_cache
@require_safe
@for_subject
def security(request: PortalRequest, subject_id: UUID) -> HttpResponse:
    """All of it on one page, this browser first."""
    user = user_of(request)
    authenticators = Authenticator.objects.filter(user=user).order_by("created_at")
    events = [
        Event(sign_in=row, device=device_in_words(row.browser, row.platform))
        for row in SignIn.objects.filter(user=user).order_by("-id")[:_SHOWN]
    ]
    places = _places(request, user)
    context = {
        "current": "security",
        "places": places,
        "others": len(places) - 1,
        "events": events,
        "passkeys": [one for one in authenticators if one.type == Authenticator.Type.WEBAUTHN],
        "how_we_recognise": [
            _("By a cookie that only says that it was here before, and by the names of browser and system."),
            _("By whether the network is one that you used before. We keep no address and look at nothing else."),
            _("When a browser is new we write to you, and ask for a code again before what cannot be undone."),
            _("After 400 days we forget a sign-in."),
        ],
        "accounts": _named(request, SocialAccount.objects.filter(user=user).order_by("pk")),
        "barred": _named(request, user.barred_accounts.order_by("pk")),
        "app": next((one for one in authenticators if one.type == Authenticator.Type.TOTP), None),
    }
    return render(request, "access/security.html", context)


@never_cache
@require_POST
@for_subject
def end_session(request: PortalRequest, subject_id: UUID, session_id: UUID) -> HttpResponse:
    """Sign out elsewhere."""
    services.end_session(user=user_of(request), controller=request.controller, session_id=session_id)
    return redirect("access:security")


@never_cache
@require_POST
@for_subject
def end_other_sessions(request: PortalRequest, subject_id: UUID) -> HttpResponse:
    """Sign out everywhere but here."""
    services.end_other_sessions(
        user=user_of(request),
        controller=request.controller,
        but=request.session.row_id,  # type: ignore[attr-defined]  # of our own session store
    )
    return redirect("access:security")


def _named(request: PortalRequest, accounts: Iterable[_Account]) -> Sequence[tuple[_Account, str]]:
    """Accounts elsewhere, each with the name of where it is."""
    names = {one.id: one.name for one in providers_of(request.controller.code)}
    return [(account, names.get(account.provider, account.provider)) for account in accounts]


def _places(request: PortalRequest, user: User) -> Sequence[Place]:
    this = request.session.row_id  # type: ignore[attr-defined]  # as above
    sessions = Session.objects.signed_in(machine_now()).filter(user=user).select_related("sign_in")
    places = []
    for session in sessions.order_by("-seen_at"):
        sign_in = getattr(session, "sign_in", None)
        device = device_in_words(sign_in.browser, sign_in.platform) if sign_in else device_in_words("", "")
        places.append(Place(session=session, device=device, is_this=session.id == this))
    return sorted(places, key=lambda place: not place.is_this)


class _AddPasskey(AddWebAuthnView):  # type: ignore[misc]  # the package has no types
    """The package gives recovery codes with the first passkey; here they stand in for the app alone."""

    def form_valid(self, form: Form) -> HttpResponse:
        """Keep it."""
        WebAuthn.add(self.request.user, "", form.cleaned_data["credential"])
        return redirect("access:security")


def _changing(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A view of the package that shows or changes what a person signs in with, once they have shown who they are.

    What it changes is entered in the same transaction.
    """

    @never_cache
    @require_http_methods(["GET", "POST"])
    @for_subject
    def inner(request: PortalRequest, subject_id: UUID, /, **kwargs: int) -> HttpResponse:
        if not is_fresh(request):
            return step_up(request, subject_id, back_to=request.path)
        user = user_of(request)
        with transaction.atomic():
            before = _types(user)
            answer = view(request, **kwargs)
            if isinstance(answer, TemplateResponse):
                answer.render()
            after = _types(user)
            if before != after:
                services.enter_authenticators(
                    user=user,
                    controller=request.controller,
                    added=[kind for key, kind in after.items() if key not in before],
                    removed=[kind for key, kind in before.items() if key not in after],
                )
        return answer

    return inner


def _types(user: User) -> dict[int, str]:
    return dict(Authenticator.objects.filter(user=user).values_list("id", "type"))


urlpatterns = [
    path("security/", security, name="security"),
    path("security/sessions/<uuid:session_id>/end/", end_session, name="end-session"),
    path("security/sessions/end-others/", end_other_sessions, name="end-other-sessions"),
]
# Under the names by which the package looks for them.
packaged: list[URLPattern] = [
    path("security/", security, name="mfa_index"),
    path("security/", security, name="mfa_list_webauthn"),
    path("security/app/", _changing(activate_totp), name="mfa_activate_totp"),
    path("security/app/off/", _changing(deactivate_totp), name="mfa_deactivate_totp"),
    path("security/recovery-codes/", _changing(view_recovery_codes), name="mfa_view_recovery_codes"),
    path("security/recovery-codes/new/", _changing(generate_recovery_codes), name="mfa_generate_recovery_codes"),
    path("security/passkeys/add/", _changing(_AddPasskey.as_view()), name="mfa_add_webauthn"),
    path("security/passkeys/<int:pk>/remove/", _changing(remove_webauthn), name="mfa_remove_webauthn"),
]
