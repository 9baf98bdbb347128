"""Programs that call the API: made, given a new secret, shut out."""

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from allauth.idp.oidc.models import Client as OAuthClient
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Q

from identity_privacy import clock
from identity_privacy.access.errors import ClientRevoked
from identity_privacy.access.hashers import RandomSecretHasher
from identity_privacy.access.models import ApiClient, ApiSecret, Controller, User
from identity_privacy.access.roles import group_of
from identity_privacy.access.terms import OF_PROGRAMS, PERMISSIONS, Permission, Role
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.errors import Invalid

OVERLAP: Final = timedelta(days=7)
_SECRET_BYTES: Final = 32
_CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,50}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """What a program signs in with; the secret is shown once and stored as a hash."""

    client: ApiClient
    client_id: str
    secret: str = field(repr=False)
    scopes: tuple[str, ...]


@transaction.atomic
def create_api_client(
    *, actor: Actor, controller: Controller, code: str, role: Role, scopes: Collection[Permission] = ()
) -> NewSecret:
    """Let a program call the API for a controller, in a role; its tokens have all of the role's scopes, or only these.

    Raises: Invalid, for a code that is taken, a role that is not for programs, or a scope that the role does not have.
    """
    if role not in OF_PROGRAMS:
        raise Invalid(f"programs have one of these: {', '.join(sorted(OF_PROGRAMS))}", field="role")
    if beyond := sorted(set(scopes) - PERMISSIONS[role]):
        raise Invalid(f"{role} has no such scope; it has: {', '.join(sorted(PERMISSIONS[role]))}", field=beyond[0])
    if not _CODE.fullmatch(code):
        raise Invalid("give letters, digits, - and _ alone, at most 50", field="code")
    if ApiClient.objects.filter(controller=controller, code=code).exists():
        raise Invalid("another API client of this controller has this code", field="code")
    user = User.objects.create_program()
    user.groups.add(group_of(controller, role))
    client = ApiClient.objects.create(controller=controller, code=code, user=user, created_at=clock.now())
    made = _new_secret(client, tuple(sorted(scopes or PERMISSIONS[role])))
    _enter(actor, "api_client.created", client, role=role.value, scopes=list(made.scopes))
    return made


@transaction.atomic
def rotate_api_client(*, actor: Actor, client: ApiClient, overlap: timedelta = OVERLAP) -> NewSecret:
    """Give a program another secret; those until now, and their tokens, are valid for `overlap` longer at most.

    Raises: ClientRevoked.
    """
    client = _held(client)
    until = clock.now() + overlap
    older = client.secrets.filter(Q(valid_until=None) | Q(valid_until__gt=until))
    newest = client.secrets.select_related("oauth_client").latest("id")
    scopes = tuple(newest.oauth_client.get_scopes())
    older.update(valid_until=until)
    made = _new_secret(client, scopes)
    _enter(actor, "api_client.rotated", client, overlap_seconds=int(overlap.total_seconds()))
    return made


@transaction.atomic
def revoke_api_client(*, actor: Actor, client: ApiClient) -> None:
    """Shut a program out at once and for good: its secrets and tokens go.

    Raises: ClientRevoked, where that was done before.
    """
    client = _held(client)
    client.revoked_at = clock.now()
    client.save(update_fields=["revoked_at"])
    OAuthClient.objects.filter(api_secret__client=client).delete()
    _enter(actor, "api_client.revoked", client)


@transaction.atomic
def enter_token(*, client: ApiClient) -> None:
    """Enter that a program was given a token."""
    _enter(Actor.client(client.id), "api_client.token_given", client)


def _held(client: ApiClient) -> ApiClient:
    # Locked, so that of two who change it at once the second sees what the first did.
    held = ApiClient.objects.select_for_update().get(pk=client.pk)
    if held.revoked_at is not None:
        raise ClientRevoked
    return held


def _new_secret(client: ApiClient, scopes: tuple[str, ...]) -> NewSecret:
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    oauth = OAuthClient(name=client.code, owner=client.user, redirect_uris="", response_types="")
    oauth.secret = make_password(secret, hasher=RandomSecretHasher.algorithm)
    oauth.set_grant_types([OAuthClient.GrantType.CLIENT_CREDENTIALS])
    oauth.set_scopes(list(scopes))
    oauth.set_default_scopes(list(scopes))
    oauth.save(force_insert=True)
    ApiSecret.objects.create(client=client, oauth_client=oauth)
    return NewSecret(client=client, client_id=oauth.id, secret=secret, scopes=scopes)


def _enter(actor: Actor, action: str, client: ApiClient, **details: str | int | list[str]) -> None:
    record(
        actor=actor,
        action=action,
        target=("api_client", client.id),
        controller_id=client.controller_id,
        details=details,
    )
