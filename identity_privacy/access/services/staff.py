"""Members of a controller's staff and their roles."""

import re
import unicodedata
from collections.abc import Collection
from typing import Final
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from identity_privacy.access.errors import RoleAlreadySo
from identity_privacy.access.models import AuthenticatorSecret, Controller, User
from identity_privacy.access.roles import group_of, roles_of
from identity_privacy.access.services.breaking_glass import mend_glass
from identity_privacy.access.services.signing_out import sign_out_everywhere
from identity_privacy.access.terms import OF_PROGRAMS, Role
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.errors import Invalid, NotFound

_NAME: Final = re.compile(r"[\w.@+-]{1,150}")


@transaction.atomic
def add_staff(*, actor: Actor, controller: Controller, username: str, password: str, role: Role) -> User:
    """Let somebody work for one controller in a role; they are asked for this password.

    Raises: Invalid, for a name that is taken or none, a role of programs, or a password that is easily guessed.
    """
    _refuse_for_programs(role)
    if not _is_name(username):
        raise Invalid("give letters, digits and .@+-_ alone, at most 150", field="username")
    if _is_taken(username):
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


def _is_name(username: str) -> bool:
    return bool(_NAME.fullmatch(username)) and unicodedata.normalize("NFKC", username) == username


def _is_taken(username: str) -> bool:
    """Whether somebody has the name; those of people and programs end in .invalid."""
    return username.endswith(".invalid") or User.objects.filter(username__iexact=username).exists()


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


@transaction.atomic
def enter_staff_sign_in(*, user: User, controller: Controller | None, method: str, has_second_factor: bool) -> None:
    """Enter that a member of staff has signed in."""
    record(
        actor=Actor.user(user.id),
        action="staff.signed_in",
        target=("user", user.id),
        controller_id=controller.id if controller else None,
        details={"method": method, "second_factor": has_second_factor},
    )


@transaction.atomic
def enter_staff_refusal(*, username: str, controller: Controller | None) -> None:
    """Enter that a name and a password did not belong together; of a name that is nobody's nothing is kept."""
    user = User.objects.filter(username=username, is_staff=True).first()
    record(
        actor=Actor.stranger(),
        action="staff.refused",
        target=("user", user.id if user else "unknown"),
        controller_id=controller.id if controller else None,
    )


@transaction.atomic
def enter_second_factor(*, user: User, controller: Controller | None, but: UUID) -> None:
    """Enter that a member of staff has set up an authenticator app; of their sessions only this one goes on."""
    sign_out_everywhere(user, but=but)
    record(
        actor=Actor.user(user.id),
        action="staff.second_factor_set",
        target=("user", user.id),
        controller_id=controller.id if controller else None,
    )


@transaction.atomic
def reset_second_factor(*, actor: Actor, user: User) -> None:
    """Let a member of staff set up another authenticator app at their next sign-in; they are signed out everywhere.

    Raises: NotFound, where they have none.
    """
    gone, _ = Authenticator.objects.filter(user=user).delete()
    if not gone:
        raise NotFound("there is no second factor to reset")
    AuthenticatorSecret.objects.filter(user=user).delete()
    sign_out_everywhere(user)
    record(actor=actor, action="staff.second_factor_reset", target=("user", user.id), controller_id=None)


@transaction.atomic
def admit_staff(*, controller: Controller, account: SocialAccount, name: str, roles: Collection[Role]) -> User:
    """The member of staff of an account at their company's provider, with these roles for the controller and no others.

    Made at the first time, under the name that the provider gives, if it is free.
    """
    actor = Actor.service("single_sign_on")
    user: User
    if account.pk:
        user = account.user
    else:
        is_free = _is_name(name) and not _is_taken(name)
        user = User(username=name if is_free else f"{account.provider}-{account.uid[:12]}", is_staff=True)
        user.set_unusable_password()
        user.save()
        account.user = user
        account.save()
    had = set(roles_of(user, controller))
    for role in sorted(set(roles) - had):
        give_role(actor=actor, user=user, controller=controller, role=role)
    for role in sorted(had - set(roles)):
        take_role(actor=actor, user=user, controller=controller, role=role)
    return user


@transaction.atomic
def cut_off_staff(*, user: User, controller: Controller) -> None:
    """Sign a member of staff out everywhere, whom their company's provider knows no more; their roles here end."""
    for role in roles_of(user, controller):
        take_role(actor=Actor.service("single_sign_on"), user=user, controller=controller, role=role)
    sign_out_everywhere(user)
    if user.broke_glass_until is not None:
        mend_glass(actor=Actor.service("single_sign_on"), user=user)
    record(
        actor=Actor.service("single_sign_on"),
        action="staff.cut_off",
        target=("user", user.id),
        controller_id=controller.id,
    )
