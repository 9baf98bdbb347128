"""What every answer of the service has, whoever gives it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase


def keep_api_answers_out_of_caches(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Let no browser or proxy store what `/api/` answers, errors included: it may be about a person."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        answer = get_response(request)
        if request.path_info.startswith("/api/"):
            answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    return middleware
