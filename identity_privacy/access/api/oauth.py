"""The token endpoint for programs: OAuth 2 client credentials (RFC 6749, 4.4). Its errors are that RFC's own (5.2)."""

from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from allauth.core.internal.httpkit import extract_basic_auth
from allauth.idp.oidc.models import Client as OAuthClient
from allauth.idp.oidc.views import TokenView
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from identity_privacy import clock
from identity_privacy.access.limits import TOKENS, network_of, refuse_beyond
from identity_privacy.access.models import ApiSecret
from identity_privacy.access.services import enter_token

FORM: Final = "application/x-www-form-urlencoded"
# What this grant has; of each at most so many characters.
_FIELDS: Final = {"grant_type": 100, "client_id": 100, "client_secret": 200, "scope": 500}
_BASIC: Final = 'Basic realm="api"'


@extend_schema_serializer(
    examples=[
        OpenApiExample("All its scopes", {"grant_type": "client_credentials"}, media_type=FORM),
        OpenApiExample("One scope", {"grant_type": "client_credentials", "scope": "see_requests"}, media_type=FORM),
    ]
)
class TokenInput(serializers.Serializer[object]):
    """What is sent, for the schema. Where the secret is not shown by HTTP Basic, it may be in the form instead."""

    grant_type = serializers.ChoiceField([OAuthClient.GrantType.CLIENT_CREDENTIALS.value])
    client_id = serializers.CharField(required=False, allow_blank=True, max_length=_FIELDS["client_id"])
    client_secret = serializers.CharField(required=False, allow_blank=True, max_length=_FIELDS["client_secret"])
    scope = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=_FIELDS["scope"],
        help_text="With spaces between them; all, if it is not said",
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A token",
            {
                "access_token": "made-up-HqT2vX8mLr4cZ9wK1nB6yD3sF7gJ0pA5eU",
                "expires_in": 3600,
                "token_type": "Bearer",
                "scope": "see_log see_requests",
            },
        )
    ]
)
class TokenOutput(serializers.Serializer[object]):
    """A token, to be sent as `Authorization: Bearer …` (RFC 6749, 5.1)."""

    access_token = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds")
    token_type = serializers.ChoiceField(["Bearer"])
    scope = serializers.CharField(help_text="Those that it has, with spaces between them")


class OAuthErrorOutput(serializers.Serializer[object]):
    """Why there is no token (RFC 6749, 5.2)."""

    error = serializers.ChoiceField(
        ["invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"]
    )
    error_description = serializers.CharField(required=False)


def _refusal(error: str, description: str) -> OpenApiResponse:
    return OpenApiResponse(OAuthErrorOutput, description, [OpenApiExample(error, {"error": error})])


@method_decorator(never_cache, name="dispatch")
class GiveToken(APIView):
    """Gives a token to a program that shows its secret; that it did is in the log."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    # Counted by a limit of its own, which is narrower.
    throttle_classes = ()

    @extend_schema(
        operation_id="token",
        summary="A token for a program",
        request={FORM: TokenInput},
        responses={
            200: TokenOutput,
            400: _refusal("invalid_scope", "What was asked for cannot be given."),
            401: _refusal("invalid_client", "The secret is wrong, too old or revoked."),
        },
        auth=[{"clientSecret": []}, {}],  # type: ignore[list-item]  # the package types it too narrowly
    )
    def post(self, request: Request) -> HttpResponse:
        """A token for an hour, with the scopes that were asked for or all that the program has. Raises: TooOften."""
        form = request._request
        refuse_beyond(TOKENS, network_of(form))
        if not _is_of_this_grant(form):
            return _refused("invalid_request")
        # A field without a value is as if it were not there (RFC 6749, 3.2).
        form.POST = QueryDict(urlencode([(name, value) for name, value in form.POST.items() if value]))
        if form.POST["grant_type"] != OAuthClient.GrantType.CLIENT_CREDENTIALS:
            return _refused("unsupported_grant_type")
        if (secret := _secret_named(form)) is None:
            return _refused("invalid_client", HTTPStatus.UNAUTHORIZED)
        with transaction.atomic():
            answer: HttpResponse = TokenView().post(form)
            if answer.status_code == HTTPStatus.OK:
                enter_token(client=secret.client)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = _BASIC
        return answer


def _is_of_this_grant(request: HttpRequest) -> bool:
    """Whether there is a grant type and one program, and each field once, plain and no longer than it can be."""
    try:
        given = dict(request.POST.lists())
    except RequestDataTooBig:
        raise
    except (BadRequest, MultiPartParserError, SuspiciousOperation):
        return False
    named, named_again = extract_basic_auth(request.headers)[0], request.POST.get("client_id")
    if named and named_again and named != named_again:
        return False
    return bool(request.POST.get("grant_type")) and all(
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
