"""The console's door: a name and a password, then an authenticator app, which is set up at the first sign-in."""

from collections.abc import Callable
from typing import cast

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView
from django.contrib.auth import logout
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from identity_privacy.access import services
from identity_privacy.access.models import User
from identity_privacy.access.roles import lacks_second_factor
from identity_privacy.access.sessions import SECOND_FACTOR


class Door(LoginView):
    """Django's view of name and password; the rest of the sign-in is the package's, as everybody's is."""

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Go on to the second factor, or into the console."""
        user = form.get_user()
        record_authentication(self.request, user, method="password")
        answer: HttpResponse = perform_login(self.request, user, redirect_url=self.get_success_url())
        return answer

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Enter it."""
        controller = self.request.controller  # type: ignore[attr-defined]  # set by our middleware
        services.enter_staff_refusal(username=self.request.POST.get("username", ""), controller=controller)
        return super().form_invalid(form)


def needs_second_factor(request: HttpRequest) -> bool:
    """Whether a member of staff has come half way in, and sets up an authenticator app now."""
    user = request.user
    is_half_in = isinstance(user, User) and user.is_staff and user.is_active and lacks_second_factor(request)
    # Without a role there is nothing to open.
    return is_half_in and isinstance(user, User) and (user.groups.exists() or user.broke_glass_at_id is not None)


class _SetUp(ActivateTOTPView):  # type: ignore[misc]  # the package has no types
    template_name = "admin/second_factor.html"

    def get_success_url(self) -> str:
        return reverse("admin:recovery_codes")


class _Codes(ViewRecoveryCodesView):  # type: ignore[misc]  # as above
    template_name = "admin/recovery_codes.html"


@never_cache
@require_http_methods(["GET", "POST"])
def set_up(request: HttpRequest) -> HttpResponse:
    """Set up an authenticator app: once, before the console opens for the first time."""
    if not needs_second_factor(request):
        return redirect("admin:login")
    user, own = cast("User", request.user), Authenticator.objects.filter(type=Authenticator.Type.TOTP)
    if own.filter(user=user).exists():  # set up elsewhere since this sign-in began
        logout(request)
        return redirect("admin:login")
    with transaction.atomic():
        answer = _rendered(_SetUp.as_view(), request)
        if own.filter(user=user).exists():
            services.enter_second_factor(
                user=user,
                controller=request.controller,  # type: ignore[attr-defined]  # set by our middleware
                but=request.session.row_id,  # type: ignore[attr-defined]  # of our own session store
            )
            request.session[SECOND_FACTOR] = True
    return answer


@never_cache
@require_http_methods(["GET"])
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Show the codes that stand in for the app, once."""
    if not (isinstance(request.user, User) and request.user.is_staff and request.session.get(SECOND_FACTOR)):
        return redirect("admin:login")
    return _rendered(_Codes.as_view(), request)


def _rendered(view: Callable[[HttpRequest], HttpResponse], request: HttpRequest) -> HttpResponse:
    answer = view(request)
    return answer.render() if isinstance(answer, TemplateResponse) else answer
