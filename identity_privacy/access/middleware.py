"""Whose portal this is, and who is looking at it."""

from collections.abc import Callable
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from identity_privacy.access.models import Controller, User
from identity_privacy.access.sessions import AWAITED, CONTROLLER, FOLLOWED, SessionStore


class PortalRequest(HttpRequest):
    """A request after the middleware below."""

    controller: Controller
    subject_id: UUID | None


def controller_by_host(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Set `request.controller` by host name and `request.subject_id` by session.

    Times are shown in the controller's zone. Whoever signed in at one controller is nobody at another, staff included.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        # As a name is compared: whatever its letters' case, and with or without the dot at its end (RFC 4343).
        controller = _controller_of(request.get_host().rsplit(":", 1)[0].lower().rstrip("."))
        mark = controller_mark(controller)
        if request.session.get(CONTROLLER, mark) != mark:
            request.session, request.user = SessionStore(), AnonymousUser()
        # A page that asks by itself whether there is news does not keep anybody signed in.
        if isinstance(request.session, SessionStore) and not request.headers.get("HX-Request"):
            request.session.touch()
        request.controller = controller  # type: ignore[attr-defined]  # views see a PortalRequest
        request.subject_id = _subject_of(request, controller)  # type: ignore[attr-defined]  # as above
        if controller is None:
            return get_response(request)
        with timezone.override(controller.zone):
            return get_response(request)

    return middleware


def controller_mark(controller: Controller | None) -> str:
    """What a session remembers of the controller at which somebody signed in; empty for a host of none."""
    return str(controller.id) if controller else ""


def remember_controller(*, request: HttpRequest, **_: object) -> None:
    """What Django sends whenever somebody has signed in, however they did; for requests that came through here.

    What the browser followed before and waited for was perhaps somebody else's.
    """
    for name in (FOLLOWED, AWAITED):
        request.session.pop(name, None)
    if hasattr(request, "controller"):
        request.session[CONTROLLER] = controller_mark(request.controller)


def _controller_of(host: str) -> Controller | None:
    controllers = list(Controller.objects.filter(host=host)) or list(Controller.objects.all()[:2])
    return controllers[0] if len(controllers) == 1 else None


def _subject_of(request: HttpRequest, controller: Controller | None) -> UUID | None:
    user = request.user
    if controller and isinstance(user, User) and user.is_active and user.controller_id == controller.id:
        return user.subject_id
    return None
