"""What staff may see over the API. Not in `session.py`, which the framework imports before its own views are there."""

from django.http import Http404
from drf_spectacular.authentication import SessionScheme
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from identity_privacy.access.roles import permissions_of
from identity_privacy.access.terms import Permission


class SeesRequests(IsAuthenticated):
    """Whoever may see the requests of a controller; for everybody else who has signed in, nothing is here."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raises: Http404, for one who may see none ever."""
        if not super().has_permission(request, view):
            return False
        if Permission.SEE_REQUESTS not in permissions_of(request):
            raise Http404
        return True


class StaffSessionScheme(SessionScheme):  # type: ignore[no-untyped-call]  # the package has no types
    """How the schema describes the session."""

    target_class = "identity_privacy.access.api.session.StaffSession"
    name = "staffSession"
