"""The portal's door: sign in by code, sign out, and the pages that stand open to everybody."""

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.i18n import set_language

from identity_privacy.access import presence, services
from identity_privacy.access.forms import CodeForm, EmailForm
from identity_privacy.access.limits import SIGN_INS, network_of, refuse_beyond
from identity_privacy.access.middleware import PortalRequest


@never_cache
@require_http_methods(["GET", "POST"])
@presence.at_controller
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
    return render(request, "access/sign_in.html", {"form": form})


@never_cache
@require_http_methods(["GET", "POST"])
@presence.at_controller
def code(request: PortalRequest) -> HttpResponse:
    """Take the code that this browser was sent, and open the portal."""
    if presence.awaited_code(request) is None:
        return redirect("access:sign-in")
    form = CodeForm(request.POST if request.method == "POST" else None)
    if presence.enter_code(request, form):
        return redirect(settings.LOGIN_REDIRECT_URL)
    return render(request, "access/code.html", {"form": form})


@require_POST
def sign_out(request: PortalRequest) -> HttpResponse:
    """End the session, and with it the way back to a followed request."""
    logout(request)
    return redirect("access:sign-in")


@require_safe
@presence.at_controller
def authority(request: PortalRequest) -> HttpResponse:
    """How to complain to a supervisory authority (GDPR Art. 77)."""
    return render(request, "access/authority.html")


@require_safe
@presence.at_controller
def accessibility(request: PortalRequest) -> HttpResponse:
    """How accessible these pages are, and whom to tell where they are not."""
    return render(request, "access/accessibility.html")


app_name = "access"
urlpatterns = [
    path("sign-in/", sign_in, name="sign-in"),
    path("sign-in/code/", code, name="code"),
    path("sign-out/", sign_out, name="sign-out"),
    path("language/", require_POST(set_language), name="language"),
    path("authority/", authority, name="authority"),
    path("accessibility/", accessibility, name="accessibility"),
]
