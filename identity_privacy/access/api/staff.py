"""What staff and programs may see over the API.

Not in `session.py`, which the framework imports before its own views are there.
"""

from django.http import Http404
from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from identity_privacy.access.roles import permissions_of
from identity_privacy.access.terms import OF_PROGRAMS, PERMISSIONS, Permission


class SeesRequests(IsAuthenticated):
    """Whoever may see the requests of a controller; for everybody else who has signed in, nothing is here."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raises: Http404, for one who may see none ever."""
        if not super().has_permission(request, view):
            return False
        if Permission.SEE_REQUESTS not in permissions_of(request):
            raise Http404
        return True


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # the package has no types
    """How the schema describes a program's token."""

    target_class = "identity_privacy.access.api.token.BearerToken"
    name = "apiToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, object]:
        """Where it comes from, and its scopes."""
        scopes = {str(one): one.label for role in OF_PROGRAMS for one in sorted(PERMISSIONS[role])}
        return {
            "type": "oauth2",
            "flows": {"clientCredentials": {"tokenUrl": "/api/v1/oauth/token/", "scopes": scopes}},
        }


class StaffSessionScheme(SessionScheme):  # type: ignore[no-untyped-call]  # the package has no types
    """How the schema describes the session."""

    target_class = "identity_privacy.access.api.session.StaffSession"
    name = "staffSession"
