"""From where something is done: which web request, task or command, and from which network. Every entry has it."""

import ipaddress
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from uuid_utils.compat import uuid7


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The id of a web request, task or command, and the network it came from, where it came over one."""

    request_id: str = ""
    network: str = ""


NOWHERE: Final = Origin()
_CLIENTS_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_current: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)


def current_origin() -> Origin:
    """Where the caller's work comes from; empty where nobody said."""
    return _current.get()


@contextmanager
def coming_from(origin: Origin) -> Iterator[None]:
    """Enter this origin with everything that is done inside."""
    token = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(token)


def truncated(address: str) -> str:
    """The network of an address: its first 24 bits, of IPv6 48, which name a provider and not a person.

    Empty for what is no address. Source: GDPR Art. 5(1)(c); recital 30.
    """
    try:
        found = ipaddress.ip_address(address.strip())
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        # Both kinds hold an address of IPv4 whole.
        found = found.ipv4_mapped or found.sixtofour or found
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False))


def with_origin(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Give every web request an id, which its entries carry and its answer names in `X-Request-ID`.

    A client's own comes back beside it in `X-Client-Request-ID`, so that it finds its call again, and is kept nowhere.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        # Ours, never the client's: whoever could choose it could make two requests look like one.
        origin = Origin(request_id=str(uuid7()), network=truncated(client_address(request)))
        with coming_from(origin):
            answer = get_response(request)
        if isinstance(answer, StreamingHttpResponse) and isinstance(answer.streaming_content, Iterator):
            answer.streaming_content = _made_under(origin, answer.streaming_content)
        answer.headers["X-Request-ID"] = origin.request_id
        if _CLIENTS_ID.fullmatch(theirs := request.headers.get("X-Request-ID", "")):
            answer.headers["X-Client-Request-ID"] = theirs
        return answer

    return middleware


def _made_under(origin: Origin, parts: Iterator[bytes]) -> Iterator[bytes]:
    """A streamed body, which is made after the middleware has returned, and maybe between others' requests."""
    while True:
        with coming_from(origin):
            part = next(parts, None)
        if part is None:
            return
        yield part


def client_address(request: HttpRequest) -> str:
    """The client's address, as the last of `TRUSTED_PROXIES` proxies saw it; what comes before is the client's word."""
    if not settings.TRUSTED_PROXIES:
        return str(request.META.get("REMOTE_ADDR", ""))
    told = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(",")
    return told[-settings.TRUSTED_PROXIES] if len(told) >= settings.TRUSTED_PROXIES else ""
