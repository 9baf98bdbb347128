"""Who may do what for which controller: by role alone, which is a group with object permissions (django-guardian)."""

from collections.abc import Mapping, Sequence, Set
from uuid import UUID

from allauth.idp.oidc.models import Token
from django.conf import settings
from django.contrib.auth.models import Group
from django.http import HttpRequest
from guardian.shortcuts import assign_perm

from identity_privacy.access.models import Controller, ControllerGroupPermission, User
from identity_privacy.access.sessions import SECOND_FACTOR
from identity_privacy.access.terms import IN_AN_EMERGENCY, PERMISSIONS, Permission, Role
from identity_privacy.clock import machine_now


def controllers_for(request: HttpRequest, permission: Permission) -> Set[UUID]:
    """The ids of the controllers for which whoever sends the request may do this; under one's own host name, only it.

    By their roles alone, and a program by the scopes of its token: neither a permission on all controllers nor a
    superuser's flag opens any.
    """
    return _granted(request).get(permission, frozenset())


def permissions_of(request: HttpRequest, controller_id: UUID | None = None) -> Set[Permission]:
    """What whoever sends the request may do for this controller; without one, for one of them at least."""
    granted = _granted(request)
    return {one for one, ids in granted.items() if controller_id in ids} if controller_id else granted.keys()


def group_of(controller: Controller, role: Role) -> Group:
    """Those who have a role for a controller; made when it is first asked for, with what the role may do."""
    group, is_new = Group.objects.get_or_create(name=_name(controller, role))
    if is_new:
        _renew(group, controller, role)
    return group


def roles_of(user: User, controller: Controller) -> Sequence[Role]:
    """The roles that somebody has for a controller."""
    names = set(user.groups.values_list("name", flat=True))
    return [role for role in Role if _name(controller, role) in names]


def renew_roles() -> None:
    """Let every role of every controller do what this release says that it may, no more and no less."""
    for controller in Controller.objects.all():
        for role in Role:
            if group := Group.objects.filter(name=_name(controller, role)).first():
                _renew(group, controller, role)


def _granted(request: HttpRequest) -> Mapping[Permission, Set[UUID]]:
    # Asked several times for each page, so looked up once: what a request may do does not change on its way.
    known: Mapping[Permission, Set[UUID]] | None = getattr(request, "granted", None)
    if known is None:
        known = _look_up(request)
        request.granted = known  # type: ignore[attr-defined]  # read above
    return known


def _look_up(request: HttpRequest) -> Mapping[Permission, Set[UUID]]:
    user, token = request.user, getattr(request, "auth", None)
    scopes = token.get_scopes() if isinstance(token, Token) else None
    if not (isinstance(user, User) and user.is_active and (user.is_staff or scopes is not None)):
        return {}
    if scopes is None and lacks_second_factor(request):
        return {}
    by_role = ControllerGroupPermission.objects.filter(
        group__user=user, permission__codename__in=Permission, permission__content_type__app_label="access"
    )
    if scopes is not None:
        by_role = by_role.filter(permission__codename__in=scopes)
    at: Controller | None = getattr(request, "controller", None)
    if at is not None:
        by_role = by_role.filter(content_object=at)
    found: dict[Permission, set[UUID]] = {}
    for codename, controller_id in by_role.values_list("permission__codename", "content_object_id"):
        found.setdefault(Permission(codename), set()).add(controller_id)
    if scopes is None and (controller_id := _broke_glass_at(user)) and (at is None or at.id == controller_id):
        for permission in IN_AN_EMERGENCY:
            found.setdefault(permission, set()).add(controller_id)
    return found


def _broke_glass_at(user: User) -> UUID | None:
    until = user.broke_glass_until
    return user.broke_glass_at_id if until is not None and machine_now() < until else None


def lacks_second_factor(request: HttpRequest) -> bool:
    """Whether a member of staff has signed in by a password alone where that opens nothing."""
    return settings.STAFF_SECOND_FACTOR and not request.session.get(SECOND_FACTOR, False)


def _renew(group: Group, controller: Controller, role: Role) -> None:
    granted = ControllerGroupPermission.objects.filter(group=group, content_object=controller)
    granted.exclude(permission__codename__in=PERMISSIONS[role]).delete()
    for permission in PERMISSIONS[role]:
        assign_perm(f"access.{permission}", group, controller)


def _name(controller: Controller, role: Role) -> str:
    return f"{controller.pk} {role}"
