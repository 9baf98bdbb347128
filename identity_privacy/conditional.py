"""Answers that a caller need not take again while they are the same (RFC 9110, 13.1.2)."""

from hashlib import sha256
from http import HTTPStatus

from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class Conditional(APIView):
    """A view whose 200 has a strong validator in `ETag`, and is a 304 for whoever has that already.

    The validator is made of the very bytes of an answer that the caller may have, and of nothing else: whoever may not
    see a thing gets the same refusal, whatever they send. So it saves bytes, and neither a query nor a check.

    Under `/api/` such an answer has `Cache-Control: no-store` as well. That is for caches, which must not keep what may
    be about a person; a program that keeps a copy in its own keeping, for its own purpose, may still ask whether it is
    good.
    """

    def finalize_response(self, request: Request, response: Response, *args: object, **kwargs: object) -> Response:
        """The answer with its validator, or that it has not changed."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        if answer.status_code != HTTPStatus.OK or request.method not in {"GET", "HEAD"}:
            return answer
        tag = f'"{sha256(answer.render().content).hexdigest()}"'
        answer.headers["ETag"] = tag
        known = parse_etags(request.headers.get("If-None-Match", ""))
        if "*" in known or tag in {one.removeprefix("W/") for one in known}:
            answer.status_code = HTTPStatus.NOT_MODIFIED
            answer.content = b""
            del answer.headers["Content-Type"]
        return answer
