"""A root key in HashiCorp Vault's or OpenBao's transit engine: `vault+https://host:8200/<mount>/<key name>`.

Two calls of a documented HTTP API need no client library. A process asks once per controller and hold time, so each
call has a connection of its own, and threads and forks have nothing to share.

    POST /v1/transit/decrypt/identity-privacy
    X-Vault-Token: …

    {"ciphertext": "vault:v1:…", "associated_data": "<base64>"}

Source: https://developer.hashicorp.com/vault/api-docs/secret/transit
"""

import base64
import binascii
import http.client
import json
import re
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from django.conf import settings

from identity_privacy.crypto.errors import RootKeyUnavailable, WrongPlace
from identity_privacy.crypto.providers.interface import RootKeyProvider
from identity_privacy.crypto.providers.transport import is_loopback

TIMEOUT_SECONDS: Final = 3
ATTEMPTS: Final = 2
MAX_ANSWER_BYTES: Final = 65_536

_VERSION: Final = re.compile(rb"vault:v(\d+):")
# Of the refusals with status 400 these are about the bytes that were sent; no other proves that they were changed.
_WRONG_BYTES: Final = ("message authentication failed", "invalid ciphertext")
_KEY_IS_GONE: Final = "encryption key not found"
_VERSION_IS_OFF: Final = "disallowed by policy"
_NO_CONTEXT: Final = "associated_data"


class VaultTransit:
    """A key of the transit engine, of a type with associated data (aes256-gcm96): there goes what a key is."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        mount, _, name = unquote(parts.path).strip("/").rpartition("/")
        self._is_secure = parts.scheme == "vault+https"
        self._host = parts.hostname or ""
        try:
            self._port = parts.port or 8200
        except ValueError:
            self._host = ""
        if not self._host or not mount or not name or parts.query or parts.username:
            raise RootKeyUnavailable("write a key in Vault as vault+https://host:8200/<mount>/<key name>")
        if not self._is_secure and not is_loopback(self._host):
            raise RootKeyUnavailable("vault+http:// is for a Vault on this machine alone: use vault+https://")
        self._mount, self._name = mount, name

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Let Vault encrypt the key, under its newest version. Raises: RootKeyUnavailable."""
        status, answer = self._ask("encrypt", {"plaintext": _text(key), "associated_data": _text(context)})
        wrapped = _member(answer, "ciphertext").encode()
        if status != HTTPStatus.OK or not _VERSION.match(wrapped):
            raise self._unavailable(status, answer)
        return wrapped

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Let Vault decrypt the key. Raises: WrongPlace; RootKeyUnavailable."""
        if not _VERSION.match(wrapped) or not wrapped.isascii():
            raise WrongPlace  # another provider's: Vault need not be asked
        body = {"ciphertext": wrapped.decode(), "associated_data": _text(context)}
        status, answer = self._ask("decrypt", body)
        if status == HTTPStatus.OK:
            key = _bytes(_member(answer, "plaintext"))
            if not key:  # whatever answered was not Vault
                raise self._unavailable(status, answer)
            return key
        if status == HTTPStatus.BAD_REQUEST and any(words in _reasons(answer) for words in _WRONG_BYTES):
            raise WrongPlace
        raise self._unavailable(status, answer)

    def newest(self) -> RootKeyProvider:
        """As this, but what an older version of the key wrapped does not open."""
        return _NewestVersion(self)

    def _ask(self, what: str, body: Mapping[str, str]) -> tuple[int, object]:
        path = f"/v1/{quote(self._mount)}/{what}/{quote(self._name, safe='')}"
        headers = {"Content-Type": "application/json", "X-Vault-Request": "true", "X-Vault-Token": _token()}
        if settings.VAULT_NAMESPACE:
            headers["X-Vault-Namespace"] = settings.VAULT_NAMESPACE
        for attempt in range(ATTEMPTS):
            try:
                connection = self._connection()
                try:
                    connection.request("POST", path, json.dumps(body), headers)
                    answer = connection.getresponse()
                    return answer.status, json.loads(answer.read(MAX_ANSWER_BYTES) or b"null")
                finally:
                    connection.close()
            except ssl.SSLCertVerificationError as error:
                raise RootKeyUnavailable(
                    f"Vault's certificate is not trusted ({error.verify_message}): set VAULT_CACERT"
                ) from None
            except ValueError:  # not JSON: something else answers there, or in front of it
                return answer.status, None
            except (OSError, http.client.HTTPException) as error:
                if attempt + 1 == ATTEMPTS:
                    raise RootKeyUnavailable(
                        f"Vault at {self._host}:{self._port} cannot be reached ({type(error).__name__})",
                        retry_after_seconds=settings.ROOT_KEY_RETRY_SECONDS,
                    ) from None
        raise AssertionError("the loop returns or raises")

    def _connection(self) -> http.client.HTTPConnection:
        if not self._is_secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
        trust = ssl.create_default_context(cafile=settings.VAULT_CACERT or None)
        return http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT_SECONDS, context=trust)

    def _unavailable(self, status: int, answer: object) -> RootKeyUnavailable:
        """Why Vault did not do it, in our own words: its own may repeat what was sent."""
        soon = settings.ROOT_KEY_RETRY_SECONDS
        name, reasons = f"{self._mount}/{self._name}", _reasons(answer)
        if status == HTTPStatus.FORBIDDEN:
            return RootKeyUnavailable(
                f"Vault denies the key {name}, or the token is expired: renew the token, and allow it `update` on"
                f" {self._mount}/encrypt/{self._name} and {self._mount}/decrypt/{self._name}"
            )
        if status == HTTPStatus.NOT_FOUND or _KEY_IS_GONE in reasons:
            return RootKeyUnavailable(f"there is no key {name} in Vault, or no transit engine at {self._mount}")
        if _VERSION_IS_OFF in reasons:
            return RootKeyUnavailable(f"min_decryption_version of {name} is above a version still in use: lower it")
        if _NO_CONTEXT in reasons:
            return RootKeyUnavailable(f"the key {name} takes no associated data: make it of type aes256-gcm96")
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return RootKeyUnavailable("Vault is busy (429)", retry_after_seconds=soon)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            return RootKeyUnavailable("Vault is sealed or down (503): unseal it", retry_after_seconds=soon)
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            return RootKeyUnavailable("Vault sends elsewhere: name the active node in ROOT_KEY_URL")
        if status == HTTPStatus.BAD_REQUEST:
            return RootKeyUnavailable(f"Vault refuses the key {name} (400): its audit log says why")
        return RootKeyUnavailable(f"Vault did not answer as it should ({status})", retry_after_seconds=soon)


class _NewestVersion:
    """A transit key as of now: which version is the newest, it learns by wrapping something."""

    def __init__(self, transit: VaultTransit) -> None:
        self._transit = transit
        self._newest: bytes | None = None

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """As the key does."""
        return self._transit.wrap(key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Unwrap what the newest version wrapped. Raises: WrongPlace, of an older one too; RootKeyUnavailable."""
        if self._newest is None:
            self._newest = _version(self._transit.wrap(b"which version", b"which version"))
        if _version(wrapped) != self._newest:
            raise WrongPlace
        return self._transit.unwrap(wrapped, context)


def _version(wrapped: bytes) -> bytes:
    found = _VERSION.match(wrapped)
    return found[0] if found else b""


def _token() -> str:
    """The token, read anew each time from its file, which Vault's agent replaces. Raises: RootKeyUnavailable."""
    if settings.VAULT_TOKEN_FILE:
        try:
            token = Path(settings.VAULT_TOKEN_FILE).read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise RootKeyUnavailable("VAULT_TOKEN_FILE cannot be read: see that Vault's agent runs") from None
    else:
        token = settings.VAULT_TOKEN
    if not token or not token.isascii() or not token.isprintable():
        raise RootKeyUnavailable("no usable Vault token: set VAULT_TOKEN_FILE or VAULT_TOKEN")
    return token


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _member(answer: object, name: str) -> str:
    found = answer.get("data") if isinstance(answer, dict) else None
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""


def _reasons(answer: object) -> str:
    """What Vault gives as reasons, in one text to look for words in; never shown."""
    found = answer.get("errors") if isinstance(answer, dict) else None
    return " ".join(map(str, found)) if isinstance(found, list) else ""
