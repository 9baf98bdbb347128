"""The token endpoint for programs: OAuth 2 client credentials (RFC 6749, 4.4). Its errors are that RFC's own (5.2)."""

from http import HTTPStatus
from typing import Final

from allauth.core.internal.httpkit import extract_basic_auth
from allauth.idp.oidc.models import Client as OAuthClient
from allauth.idp.oidc.views import TokenView
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from identity_privacy import clock
from identity_privacy.access.limits import TOKENS, network_of, refuse_beyond
from identity_privacy.access.models import ApiSecret
from identity_privacy.access.services import enter_token

# What this grant has; of each at most so many characters.
_FIELDS: Final = {"grant_type": 100, "client_id": 100, "client_secret": 200, "scope": 500}


@method_decorator([csrf_exempt, never_cache], name="dispatch")
class GiveToken(TokenView):  # type: ignore[misc]  # the package has no types
    """Gives a token to a program that shows its secret; that it did is in the log."""

    http_method_names = ("post", "options")

    def post(self, request: HttpRequest) -> HttpResponse:
        """A token for an hour, with the scopes that were asked for or all that the program has. Raises: TooOften."""
        refuse_beyond(TOKENS, network_of(request))
        if not _is_of_this_grant(request):
            return _refused("invalid_request")
        if request.POST["grant_type"] != OAuthClient.GrantType.CLIENT_CREDENTIALS:
            return _refused("unsupported_grant_type")
        if (secret := _secret_named(request)) is None:
            return _refused("invalid_client", HTTPStatus.UNAUTHORIZED)
        with transaction.atomic():
            answer: HttpResponse = super().post(request)
            if answer.status_code == HTTPStatus.OK:
                enter_token(client=secret.client)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = _BASIC
        return answer


_BASIC: Final = 'Basic realm="api"'


def _is_of_this_grant(request: HttpRequest) -> bool:
    """Whether there is a grant type, and each field once, plain and no longer than it can be."""
    given = dict(request.POST.lists())
    return "grant_type" in given and all(
        name in _FIELDS and len(values) == 1 and len(values[0]) <= _FIELDS[name] and values[0].isprintable()
        for name, values in given.items()
    )


def _secret_named(request: HttpRequest) -> ApiSecret | None:
    """Which secret is meant, be it shown rightly or not, if it opens anything now."""
    client_id, _ = extract_basic_auth(request.headers)
    client_id = client_id or request.POST.get("client_id", "")
    known = ApiSecret.objects.valid(clock.now()).select_related("client")
    return known.filter(oauth_client_id=client_id).first() if client_id.isprintable() else None


def _refused(error: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> HttpResponse:
    headers = {"WWW-Authenticate": _BASIC} if status == HTTPStatus.UNAUTHORIZED else {}
    return JsonResponse({"error": error}, status=status, headers=headers)
