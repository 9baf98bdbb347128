"""With whose accounts people, or staff, may sign in: OpenID Connect providers, each of one controller.

They stand in the file that the setting `SIGN_IN_PROVIDERS` names:

    [[provider]]
    controller = "lindwerk"                      # its code
    id = "lindwerk"                              # stands in the address to which the provider leads back
    name = "your Lindwerk account"               # as people read it: "Sign in with your Lindwerk account"
    issuer = "https://accounts.lindwerk.example"
    client_id = "privacy"
    client_secret_file = "/run/secrets/lindwerk" # or client_secret

    [provider.staff]                             # only where it is for staff, who come into the console by it
    groups_claim = "groups"
    roles = { "privacy-officers" = "dpo" }       # what each group may do here
    second_factor = "amr"                        # whether it asks for one: it says so each time (RFC 8176), or
                                                 # "provider": always; without this line ours is asked for
    scopes = ["groups", "offline_access"]        # what must be asked for beside openid and email, if anything

Source: OpenID Connect Core 1.0, Discovery 1.0.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpResponseBase

from identity_privacy.access.terms import OF_PROGRAMS, Role
from identity_privacy.crypto.index_keys import FIXED, index_keys
from identity_privacy.crypto.providers import is_loopback
from identity_privacy.errors import Invalid

Page = TypeVar("Page", bound=HttpResponseBase)
_INDEX: Final = f"{FIXED}oidc_account"
_ID: Final = re.compile(r"[a-z0-9-]{1,40}")
_TEXTS: Final = ("controller", "id", "name", "issuer", "client_id")


class SecondFactor(StrEnum):
    """Who sees to it that staff show a second factor."""

    OURS = "ours"
    AMR = "amr"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForStaff:
    """What a provider's groups may do in the console."""

    groups_claim: str
    roles: Mapping[str, Role]
    second_factor: SecondFactor
    scopes: Sequence[str] = ()

    def roles_in(self, claims: Mapping[str, object]) -> set[Role]:
        """What somebody with these claims may do; nothing where the groups are no list of texts."""
        groups = claims.get(self.groups_claim)
        texts = {one for one in groups if isinstance(one, str)} if isinstance(groups, list) else set()
        return {self.roles[one] for one in texts & self.roles.keys()}

    def vouches_for(self, claims: Mapping[str, object]) -> bool:
        """Whether a second factor was shown there."""
        methods = claims.get("amr")
        says_so = isinstance(methods, list) and "mfa" in methods
        return self.second_factor is SecondFactor.PROVIDER or (self.second_factor is SecondFactor.AMR and says_so)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider, as it is configured."""

    controller: str
    id: str
    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    staff: ForStaff | None = None

    @property
    def origin(self) -> str:
        """Where its pages are, for the policy that lets a form of ours lead there."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"


def providers_of(controller: str) -> Sequence[Provider]:
    """A controller's providers, in the order of the file. Raises: Invalid, for a file that cannot be so."""
    path = settings.SIGN_IN_PROVIDERS
    return [one for one in configured(path) if one.controller == controller] if path else []


def provider_of(controller: str, provider_id: str) -> Provider | None:
    """One of a controller's providers by its id."""
    return next((one for one in providers_of(controller) if one.id == provider_id), None)


def may_lead_to(page: Page, providers: Iterable[Provider]) -> Page:
    """A page whose buttons lead to these providers, which the policy refuses else (`form-action`)."""
    page._csp_update = {"form-action": sorted({one.origin for one in providers})}  # type: ignore[attr-defined]
    return page


@lru_cache(maxsize=8)
def configured(path: str) -> Sequence[Provider]:
    """All providers of a file, read once. Raises: Invalid, which names the entry and what is wrong with it."""
    try:
        entries = tomllib.loads(Path(path).read_text(encoding="utf-8")).get("provider", [])
    except OSError as error:
        raise Invalid(f"cannot be read: {error.strerror}", field="SIGN_IN_PROVIDERS") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"is no TOML: {error}", field="SIGN_IN_PROVIDERS") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Invalid("write each provider as [[provider]]", field="SIGN_IN_PROVIDERS")
    providers = [_provider(number, entry) for number, entry in enumerate(entries, start=1)]
    names = [(one.controller, one.id) for one in providers]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise Invalid(f"{twice[1]} stands twice for {twice[0]}", field="SIGN_IN_PROVIDERS")
    return providers


def uid_of(controller_id: UUID, issuer: str, sub: str) -> str:
    """Under what an account is kept: a blind index of issuer and `sub`, under a key of the controller's."""
    return index_keys(controller_id, _INDEX).lookups(f"{issuer}\n{sub}")[0].hex()


def _provider(number: int, entry: Mapping[str, object]) -> Provider:
    if unknown := set(entry) - {*_TEXTS, "client_secret", "client_secret_file", "staff"}:
        raise _refusal(number, min(unknown), "there is no such field")
    found: dict[str, str] = {}
    for name in _TEXTS:
        value = entry.get(name)
        if not isinstance(value, str) or not value.strip():
            raise _refusal(number, name, "give a text")
        found[name] = value
    if not _ID.fullmatch(found["id"]):
        raise _refusal(number, "id", "give small letters, digits and - alone, at most 40")
    issuer = urlsplit(found["issuer"])
    is_near = issuer.scheme == "http" and is_loopback(issuer.hostname or "") and not settings.PRODUCTION
    if not (issuer.hostname and (issuer.scheme == "https" or is_near)):
        raise _refusal(number, "issuer", "give an address with https")
    return Provider(**found, client_secret=_secret(number, entry), staff=_for_staff(number, entry.get("staff")))


def _for_staff(number: int, staff: object) -> ForStaff | None:
    if staff is None:
        return None
    if not isinstance(staff, dict) or (set(staff) - {"groups_claim", "roles", "second_factor", "scopes"}):
        raise _refusal(number, "staff", "give groups_claim, roles and, if you like, second_factor and scopes")
    claim, roles, factor = staff.get("groups_claim"), staff.get("roles"), staff.get("second_factor", "ours")
    if not isinstance(claim, str) or not claim:
        raise _refusal(number, "staff.groups_claim", "give a text")
    of_staff = sorted(set(Role) - OF_PROGRAMS)
    if not isinstance(roles, dict) or not roles or not set(roles.values()) <= set(of_staff):
        raise _refusal(number, "staff.roles", f"give each group one of these: {', '.join(of_staff)}")
    if factor not in set(SecondFactor):
        raise _refusal(number, "staff.second_factor", f"give one of these: {', '.join(SecondFactor)}")
    scopes = staff.get("scopes", [])
    if not isinstance(scopes, list) or not all(isinstance(scope, str) and scope for scope in scopes):
        raise _refusal(number, "staff.scopes", "give a list of texts")
    known = {str(group): Role(role) for group, role in roles.items()}
    return ForStaff(groups_claim=claim, roles=known, second_factor=SecondFactor(factor), scopes=scopes)


def _secret(number: int, entry: Mapping[str, object]) -> str:
    if isinstance(secret := entry.get("client_secret"), str) and secret:
        return secret
    try:
        return Path(str(entry["client_secret_file"])).read_text(encoding="utf-8").strip()
    except (KeyError, OSError):
        raise _refusal(number, "client_secret_file", "give the secret, or a file that can be read") from None


def _refusal(number: int, name: str, why: str) -> Invalid:
    return Invalid(f"provider {number}, {name}: {why}", field="SIGN_IN_PROVIDERS")
