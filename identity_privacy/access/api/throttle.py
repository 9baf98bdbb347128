"""The API's limit for each caller, and the headers that tell of it (draft-ietf-httpapi-ratelimit-headers)."""

from collections.abc import Callable
from typing import Final

from allauth.idp.oidc.models import Token
from django.http import HttpRequest, HttpResponseBase
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from identity_privacy.access.limits import Standing, calls, count_one, network_of

_STANDING: Final = "rate_standing"


class PerCaller(BaseThrottle):
    """Counts a program over all its tokens, a member of staff over all sessions, anybody else by their network."""

    _standing: Standing

    def allow_request(self, request: Request, view: object) -> bool:
        """Whether there may be one more."""
        self._standing = count_one(calls(), _whose(request))
        setattr(request._request, _STANDING, self._standing)
        return not self._standing.is_over

    def wait(self) -> float:
        """Seconds until there may be another."""
        return self._standing.seconds_left


def tell_limits(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Tell each caller of the API how many more calls they have, and for how long."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        answer = get_response(request)
        standing: Standing | None = getattr(request, _STANDING, None)
        if standing is not None:
            seconds = int(standing.limit.window.total_seconds())
            answer.headers["RateLimit-Policy"] = f'"calls";q={standing.limit.most};w={seconds}'
            answer.headers["RateLimit"] = f'"calls";r={standing.remaining};t={standing.seconds_left}'
        return answer

    return middleware


def _whose(request: Request) -> str:
    if isinstance(request.auth, Token) or request.user.is_authenticated:
        return f"user:{request.user.pk}"
    return f"network:{network_of(request._request)}"
