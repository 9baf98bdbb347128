"""Programs that call the API, by a bearer token from the token endpoint (RFC 6750)."""

from typing import Final

from allauth.idp.oidc.models import Token
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from identity_privacy import clock
from identity_privacy.access.models import ApiSecret, Controller, User

_SCHEME: Final = b"bearer"


class BearerToken(BaseAuthentication):
    """A token that is valid, of a program and a secret that are not revoked, at its own controller."""

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        """The program's user row and its token; None for whoever brings none. Raises: AuthenticationFailed."""
        scheme, _, value = get_authorization_header(request).partition(b" ")
        if scheme.lower() != _SCHEME:
            return None
        token = _found(value.strip().decode(errors="replace"))
        at: Controller | None = getattr(request, "controller", None)
        if token is None or (at is not None and token.client.owner.api_client.controller_id != at.id):
            raise AuthenticationFailed("the token is unknown, expired or revoked")
        return token.client.owner, token

    def authenticate_header(self, request: Request) -> str:
        """The challenge that a 401 must carry (RFC 9110, 11.6.1)."""
        return 'Bearer realm="api"'


def _found(value: str) -> Token | None:
    # In one query, with all that makes it invalid at once: nothing of it is kept anywhere else.
    tokens = Token.objects.valid().by_value(value).filter(type=Token.Type.ACCESS_TOKEN)
    alive = tokens.filter(client__api_secret__in=ApiSecret.objects.valid(clock.now()))
    found: Token | None = alive.select_related("client__owner__api_client").first()
    return found
