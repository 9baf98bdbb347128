"""The web process serves nothing while the audit log is behind a checkpoint that somebody holds."""

import json
import logging
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from django.db import DatabaseError
from django.template.loader import render_to_string

from identity_privacy.checks import not_continued

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 10.0
# What a witness holds is heard all the same: it is what the log has to be handed over from.
HEARD: Final = "/api/v1/audit/cosignatures/"


class Guard:
    """Answers 503 in place of an application until the log is seen to go on; looks again every ten seconds."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application
        self._looked_at = float("-inf")
        self._goes_on = False

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Pass the request on, or refuse it."""
        if time.monotonic() - self._looked_at > EVERY_SECONDS:
            self._look()
        passes = self._goes_on or environ["PATH_INFO"] == HEARD
        return self._application(environ, start_response) if passes else _refused(environ, start_response)

    def _look(self) -> None:
        try:
            reasons = not_continued()
        except DatabaseError as error:
            # What was seen to be right stays so; what was not yet seen is looked at again with the next request.
            logger.warning("whether the audit log goes on cannot be seen: %s", type(error).__name__)
            return
        for reason in reasons:
            logger.critical(reason)
        self._goes_on = not reasons
        self._looked_at = time.monotonic()


def _refused(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    if environ["PATH_INFO"].startswith("/api/"):
        kind = "application/problem+json"
        body = json.dumps({"type": "about:blank", "title": status.phrase, "status": status.value})
    else:
        kind, body = "text/html; charset=utf-8", render_to_string("503.html")
    headers = [("Content-Type", kind), ("Retry-After", "60"), ("Cache-Control", "no-store")]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body.encode()]
