"""Signing in with another account, and no longer."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from uuid import UUID

from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.views import callback, login
from django.contrib import messages
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from identity_privacy.access import services
from identity_privacy.access.limits import (
    BAD_SIGNATURES,
    SIGN_INS,
    count_one,
    network_of,
    refuse_beyond,
    refuse_if_reached,
)
from identity_privacy.access.middleware import PortalRequest
from identity_privacy.access.oidc import FAILED, STAFF_FAILED
from identity_privacy.access.presence import at_controller, for_subject, is_fresh, step_up, user_of
from identity_privacy.access.providers import provider_of
from identity_privacy.access.single_sign_on import ProviderSilent, end_sessions_of
from identity_privacy.errors import NotFound

logger = logging.getLogger(__name__)

# What the package lets through of a provider that is not there, or answers something else.
_NO_ANSWER = (
    OSError,  # no connection; and a time after the end of time
    OAuth2Error,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    IntegrityError,  # two first sign-ins of one account at once
)


def _with_provider(view: Callable[[HttpRequest, str], HttpResponse]) -> Callable[..., HttpResponse]:
    """A view of the package, for the controller's own providers."""

    @never_cache
    @at_controller
    def inner(request: PortalRequest, /, provider_id: str) -> HttpResponse:
        provider = provider_of(request.controller.code, provider_id)
        if provider is None:
            raise Http404
        door = "admin:login" if provider.staff else "access:sign-in"
        if request.user.is_authenticated:
            return redirect(door)
        refuse_beyond(SIGN_INS, network_of(request))
        try:
            return view(request, provider_id)
        except _NO_ANSWER as error:
            # Its kind alone: what it says may name somebody.
            logger.warning("no sign-in by the provider %s: %s", provider_id, type(error).__name__)
            messages.error(request, str(STAFF_FAILED if provider.staff else FAILED))
            return redirect(door)

    return inner


@csrf_exempt
@never_cache
@require_POST
@at_controller
def signed_out(request: PortalRequest, provider_id: str) -> HttpResponse:
    """Take a provider's word that somebody has signed out there (OpenID Connect Back-Channel Logout 1.0, 2.8)."""
    provider = provider_of(request.controller.code, provider_id)
    if provider is None:
        raise Http404
    # Counted only where it is none: a provider may have many people sign out.
    refuse_if_reached(BAD_SIGNATURES, network_of(request))
    try:
        end_sessions_of(request.controller, provider, request.POST.get("logout_token", ""))
    except (*_NO_ANSWER, ProviderSilent):
        count_one(BAD_SIGNATURES, network_of(request))
        return JsonResponse({"error": "invalid_request"}, status=HTTPStatus.BAD_REQUEST)
    except NotFound:
        pass  # nobody to sign out: as it should be, and nobody's business whether they were here
    return HttpResponse()


def _afresh(verb: Callable[..., None]) -> Callable[..., HttpResponse]:
    """Do this to one of the person's accounts elsewhere, once they have shown who they are."""

    @never_cache
    @require_POST
    @for_subject
    def inner(request: PortalRequest, subject_id: UUID, /, **which: int) -> HttpResponse:
        if not is_fresh(request):
            return step_up(request, subject_id, back_to=reverse("access:security"))
        verb(user=user_of(request), controller=request.controller, **which)
        return redirect("access:security")

    return inner


urlpatterns = [
    path("security/accounts/<int:account_id>/remove/", _afresh(services.unlink_account), name="unlink"),
    path("security/accounts/<int:barred_id>/let-in/", _afresh(services.unbar_account), name="unbar"),
]
# Under the names by which the package looks for them.
packaged: list[URLPattern] = [
    path("sign-in/with/<slug:provider_id>/", require_POST(_with_provider(login)), name="openid_connect_login"),
    path(
        "sign-in/with/<slug:provider_id>/callback/",
        require_GET(_with_provider(callback)),
        name="openid_connect_callback",
    ),
    path("sign-in/with/<slug:provider_id>/signed-out/", signed_out, name="openid_connect_signed_out"),
]
