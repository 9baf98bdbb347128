"""Staff who call the API from their own console session."""

from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request


class StaffSession(SessionAuthentication):
    """The console's session; whoever has none is told to sign in (401), not that it is forbidden (403)."""

    def authenticate_header(self, request: Request) -> str:
        """The challenge that a 401 must carry (RFC 9110, 11.6.1)."""
        return 'Session realm="console"'
