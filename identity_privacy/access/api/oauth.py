"""The token endpoint for programs: OAuth 2 client credentials (RFC 6749, 4.4). Its errors are that RFC's own (5.2)."""

import json
from http import HTTPStatus

from allauth.idp.oidc.models import Token
from allauth.idp.oidc.views import TokenView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from identity_privacy.access.limits import TOKENS, network_of, refuse_beyond
from identity_privacy.access.services import enter_token


@method_decorator([csrf_exempt, never_cache], name="dispatch")
class GiveToken(TokenView):  # type: ignore[misc]  # the package has no types
    """Gives a token to a program that shows its secret; that it did is in the log."""

    http_method_names = ("post", "options")

    def post(self, request: HttpRequest) -> HttpResponse:
        """A token for an hour, with the scopes that were asked for or all that the program has. Raises: TooOften."""
        refuse_beyond(TOKENS, network_of(request))
        with transaction.atomic():
            answer: HttpResponse = super().post(request)
            if answer.status_code == HTTPStatus.OK:
                given = Token.objects.by_value(json.loads(answer.content)["access_token"]).get()
                enter_token(oauth_client_id=given.client_id)
        return answer
