"""The portal's door: sign in by code, sign out, and the pages that stand open to everybody."""

from typing import Final

from django import forms
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.i18n import set_language

from identity_privacy.access import presence, services
from identity_privacy.access.errors import CodeNotAccepted
from identity_privacy.access.middleware import PortalRequest

_EMAIL_NEEDED: Final = _("Enter an e-mail address with an @, like name@example.org")
_CODE_NEEDED: Final = _("Enter the six digits of the code")


class EmailForm(forms.Form):
    """Where to send the code."""

    email = forms.EmailField(error_messages={"required": _EMAIL_NEEDED, "invalid": _EMAIL_NEEDED})


class CodeForm(forms.Form):
    """The code as typed; spaces between the digits do no harm."""

    code = forms.CharField(error_messages={"required": _CODE_NEEDED}, max_length=20)

    def clean_code(self) -> str:
        """Six digits, whatever stands between them."""
        code = "".join(self.cleaned_data["code"].split())
        if len(code) != 6 or not code.isdecimal():
            raise forms.ValidationError(_CODE_NEEDED)
        return code


@never_cache
@require_http_methods(["GET", "POST"])
@presence.at_controller
def sign_in(request: PortalRequest) -> HttpResponse:
    """Ask for an address and send a code to it; the answer is the same whether we know it or not."""
    if request.subject_id:
        return redirect(settings.LOGIN_REDIRECT_URL)
    form = EmailForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        code = services.request_sign_in_code(controller=request.controller, email=form.cleaned_data["email"])
        presence.await_code(request, code)
        return redirect("access:code")
    return render(request, "access/sign_in.html", {"form": form})


@never_cache
@require_http_methods(["GET", "POST"])
@presence.at_controller
def code(request: PortalRequest) -> HttpResponse:
    """Take the code that this browser was sent, and open the portal."""
    code_id = presence.awaited_code(request)
    if code_id is None:
        return redirect("access:sign-in")
    form = CodeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            user = services.sign_in_with_code(code_id=code_id, code=form.cleaned_data["code"])
        except CodeNotAccepted as error:
            form.add_error("code", str(error))
        else:
            presence.sign_in(request, user)
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
