"""Members of a controller's staff and their roles."""

import re
import unicodedata
from typing import Final

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from identity_privacy.access.errors import RoleAlreadySo
from identity_privacy.access.models import Controller, User
from identity_privacy.access.roles import group_of, roles_of
from identity_privacy.access.terms import OF_PROGRAMS, Role
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.errors import Invalid

_NAME: Final = re.compile(r"[\w.@+-]{1,150}")


@transaction.atomic
def add_staff(*, actor: Actor, controller: Controller, username: str, password: str, role: Role) -> User:
    """Let somebody work for one controller in a role; they are asked for this password.

    Raises: Invalid, for a name that is taken or none, a role of programs, or a password that is easily guessed.
    """
    _refuse_for_programs(role)
    if not _NAME.fullmatch(username) or unicodedata.normalize("NFKC", username) != username:
        raise Invalid("give letters, digits and .@+-_ alone, at most 150", field="username")
    if username.endswith(".invalid") or User.objects.filter(username__iexact=username).exists():
        raise Invalid("somebody has this name already", field="username")
    try:
        validate_password(password, User(username=username))
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="password") from None
    user = User.objects.create_staff(username, password)
    user.groups.add(group_of(controller, role))
    _enter(actor, "staff.added", user, controller, role)
    return user


@transaction.atomic
def give_role(*, actor: Actor, user: User, controller: Controller, role: Role) -> None:
    """Let a member of staff act in a role for a controller, from their next page on.

    Raises: RoleAlreadySo, where they do; Invalid, for one who is not staff.
    """
    if not user.is_staff:
        raise Invalid("only a member of staff has roles", field="user")
    _refuse_for_programs(role)
    if role in roles_of(user, controller):
        raise RoleAlreadySo
    user.groups.add(group_of(controller, role))
    _enter(actor, "role.given", user, controller, role)


@transaction.atomic
def take_role(*, actor: Actor, user: User, controller: Controller, role: Role) -> None:
    """Let a member of staff no longer act in a role for a controller; it ends with the page that they now load.

    Raises: RoleAlreadySo, where they do not.
    """
    if role not in roles_of(user, controller):
        raise RoleAlreadySo
    user.groups.remove(group_of(controller, role))
    _enter(actor, "role.taken", user, controller, role)


def _refuse_for_programs(role: Role) -> None:
    if role in OF_PROGRAMS:
        raise Invalid("this role is for programs: see `api_client`", field="role")


def _enter(actor: Actor, action: str, user: User, controller: Controller, role: Role) -> None:
    record(
        actor=actor,
        action=action,
        target=("user", user.id),
        controller_id=controller.id,
        details={"role": role.value},
    )
