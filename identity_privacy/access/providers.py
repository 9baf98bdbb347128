"""With whose accounts people may sign in: OpenID Connect providers, each of one controller.

They stand in the file that the setting `SIGN_IN_PROVIDERS` names:

    [[provider]]
    controller = "lindwerk"                      # its code
    id = "lindwerk"                              # stands in the address to which the provider leads back
    name = "your Lindwerk account"               # as people read it: "Sign in with your Lindwerk account"
    issuer = "https://accounts.lindwerk.example"
    client_id = "privacy"
    client_secret_file = "/run/secrets/lindwerk" # or client_secret

Source: OpenID Connect Core 1.0, Discovery 1.0.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from identity_privacy.crypto.providers import is_loopback
from identity_privacy.errors import Invalid

_ID: Final = re.compile(r"[a-z0-9-]{1,40}")
_TEXTS: Final = ("controller", "id", "name", "issuer", "client_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider, as it is configured."""

    controller: str
    id: str
    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def origin(self) -> str:
        """Where its pages are, for the policy that lets a form of ours lead there."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"


def providers_of(controller: str) -> Sequence[Provider]:
    """A controller's providers, in the order of the file. Raises: Invalid, for a file that cannot be so."""
    path = settings.SIGN_IN_PROVIDERS
    return [one for one in configured(path) if one.controller == controller] if path else []


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


def _provider(number: int, entry: Mapping[str, object]) -> Provider:
    if unknown := set(entry) - {*_TEXTS, "client_secret", "client_secret_file"}:
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
    return Provider(**found, client_secret=_secret(number, entry))


def _secret(number: int, entry: Mapping[str, object]) -> str:
    if isinstance(secret := entry.get("client_secret"), str) and secret:
        return secret
    try:
        return Path(str(entry["client_secret_file"])).read_text(encoding="utf-8").strip()
    except (KeyError, OSError):
        raise _refusal(number, "client_secret_file", "give the secret, or a file that can be read") from None


def _refusal(number: int, name: str, why: str) -> Invalid:
    return Invalid(f"provider {number}, {name}: {why}", field="SIGN_IN_PROVIDERS")
