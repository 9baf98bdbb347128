"""The pages that stand open to everybody."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_POST, require_safe
from django.views.i18n import set_language

from identity_privacy.access.middleware import PortalRequest
from identity_privacy.access.presence import at_controller


@require_safe
@at_controller
def authority(request: PortalRequest) -> HttpResponse:
    """How to complain to a supervisory authority (GDPR Art. 77)."""
    return render(request, "access/authority.html")


@require_safe
@at_controller
def accessibility(request: PortalRequest) -> HttpResponse:
    """How accessible these pages are, and whom to tell where they are not."""
    return render(request, "access/accessibility.html")


urlpatterns = [
    path("language/", require_POST(set_language), name="language"),
    path("authority/", authority, name="authority"),
    path("accessibility/", accessibility, name="accessibility"),
]
