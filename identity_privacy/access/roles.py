"""For which controllers a member of staff works."""

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.http import HttpRequest
from guardian.shortcuts import get_objects_for_user

from identity_privacy.access.models import Controller, User


def controllers_worked_by(user: User | AnonymousUser) -> QuerySet[Controller]:
    """The controllers in whose console a member of staff works; none for anybody else.

    Granted per controller only: neither a permission on the model nor a superuser's flag opens all of them.
    """
    if not (isinstance(user, User) and user.is_active and user.is_staff):
        return Controller.objects.none()
    granted: QuerySet[Controller] = get_objects_for_user(
        user, "access.work_console", Controller, with_superuser=False, accept_global_perms=False
    )
    return granted


def controllers_for(request: HttpRequest) -> QuerySet[Controller]:
    """Those whose data this request may see: under a controller's own host name, only that one."""
    controllers = controllers_worked_by(request.user)
    at: Controller | None = getattr(request, "controller", None)
    return controllers if at is None else controllers.filter(pk=at.pk)
