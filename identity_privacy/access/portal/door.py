"""Signing in, showing once more who one is, and signing out."""

from collections.abc import Callable
from uuid import UUID

from allauth.mfa.base.views import AuthenticateView, reauthenticate
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.views import ReauthenticateWebAuthnView, login_webauthn
from django.conf import settings
from django.contrib.auth import logout
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from identity_privacy.access import presence, services
from identity_privacy.access.forms import CodeForm, EmailForm
from identity_privacy.access.limits import SIGN_INS, network_of, refuse_beyond
from identity_privacy.access.middleware import PortalRequest
from identity_privacy.access.presence import at_controller, for_subject
from identity_privacy.access.providers import may_lead_to, providers_of


@never_cache
@require_http_methods(["GET", "POST"])
@at_controller
def sign_in(request: PortalRequest) -> HttpResponse:
    """Ask for an address and send a code to it; the answer is the same whether we know it or not."""
    if request.subject_id:
        return redirect(settings.LOGIN_REDIRECT_URL)
    form = EmailForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        refuse_beyond(SIGN_INS, network_of(request))
        code = services.request_sign_in_code(controller=request.controller, email=form.cleaned_data["email"])
        presence.await_code(request, code)
        return redirect("access:code")
    providers = [one for one in providers_of(request.controller.code) if one.staff is None]
    page = render(request, "access/sign_in.html", {"form": form, "providers": providers})
    return may_lead_to(page, providers)


@never_cache
@require_http_methods(["GET", "POST"])
@at_controller
def code(request: PortalRequest) -> HttpResponse:
    """Take the code that this browser was sent, and go on with the sign-in."""
    if request.subject_id or presence.awaited_code(request) is None:
        return redirect("access:sign-in")
    form = CodeForm(request.POST if request.method == "POST" else None)
    return presence.sign_in_by_code(request, form) or render(request, "access/code.html", {"form": form})


@never_cache
@require_http_methods(["GET", "POST"])
@for_subject
def confirm(request: PortalRequest, subject_id: UUID) -> HttpResponse:
    """Take the code that was sent to the person who is signed in, and lead them back to where it was needed."""
    back_to = _own_page(request)
    if presence.awaited_code(request) is None:
        return presence.step_up(request, subject_id, back_to=back_to)
    form = CodeForm(request.POST if request.method == "POST" else None)
    if presence.confirm_by_code(request, subject_id, form):
        return redirect(back_to)
    # What comes next may lead here again: back is where it was chosen.
    security = reverse("access:security")
    came_from = security if back_to.startswith(security) else back_to
    has_passkey = presence.has(request, presence.PASSKEY)
    context = {"form": form, "back_to": back_to, "came_from": came_from, "has_passkey": has_passkey}
    return render(request, "access/confirm.html", context)


@require_POST
def sign_out(request: PortalRequest) -> HttpResponse:
    """End the session, and with it the way back to a followed request."""
    logout(request)
    return redirect("access:sign-in")


def _own_page(request: HttpRequest) -> str:
    """Where to go on: a page of ours that was named, else home."""
    page, here = request.GET.get("next", ""), {request.get_host()}
    is_own = url_has_allowed_host_and_scheme(page, allowed_hosts=here, require_https=request.is_secure())
    return page if is_own else resolve_url(settings.LOGIN_REDIRECT_URL)


def _limited(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A view of the package, within our limit of sign-ins."""

    @never_cache
    @require_http_methods(["GET", "POST"])
    def inner(request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            refuse_beyond(SIGN_INS, network_of(request))
        return view(request)

    return inner


class _SecondStep(AuthenticateView):  # type: ignore[misc]  # the package has no types
    """The page is the portal's for people, the console's for staff."""

    def get_template_names(self) -> list[str]:
        """Whose it is, by whom it is about."""
        return ["admin/second_step.html" if self.stage.login.user.is_staff else "mfa/authenticate.html"]


class _ConfirmByPasskey(ReauthenticateWebAuthnView):  # type: ignore[misc]  # the package has no types
    """The package leads whoever fails to the sign-in, where they are no strangers."""

    def form_invalid(self, form: Form) -> HttpResponse:
        """Say so, and let them try again."""
        super().form_invalid(form)
        return redirect(self.request.get_full_path())


def _confirming(
    view: Callable[[HttpRequest], HttpResponse], kind: Authenticator.Type
) -> Callable[[HttpRequest], HttpResponse]:
    """A view of the package by which somebody shows once more who they are, with what they have; else by a code."""

    @never_cache
    @require_http_methods(["GET", "POST"])
    @for_subject
    def inner(request: PortalRequest, subject_id: UUID, /) -> HttpResponse:
        if not presence.has(request, kind):
            return redirect("access:confirm")
        return view(request)

    return inner


urlpatterns = [
    path("sign-in/", sign_in, name="sign-in"),
    path("sign-in/code/", code, name="code"),
    path("sign-out/", sign_out, name="sign-out"),
    path("confirm/", confirm, name="confirm"),
]
# Under the names by which the package looks for them.
packaged: list[URLPattern] = [
    path("sign-in/", sign_in, name="account_login"),
    path("sign-in/app/", _limited(_SecondStep.as_view()), name="mfa_authenticate"),
    path("sign-in/passkey/", at_controller(_limited(login_webauthn)), name="mfa_login_webauthn"),
    path("confirm/app/", _confirming(reauthenticate, presence.APP), name="mfa_reauthenticate"),
    path(
        "confirm/passkey/",
        _confirming(_ConfirmByPasskey.as_view(), presence.PASSKEY),
        name="mfa_reauthenticate_webauthn",
    ),
]
