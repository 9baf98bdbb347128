"""Where the root key is kept; a provider wraps and unwraps key-encryption keys and never shows the root key."""

import base64
import binascii
import json
import os
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from identity_privacy.crypto.errors import RootKeyUnavailable, WrongPlace

KEY_BYTES = 32


class RootKeyProvider(Protocol):
    """The root of the key hierarchy; a KMS fits behind it."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Wrap a key; `context` names what it is and must be given again to unwrap it."""

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Unwrap a key. Raises: WrongPlace, when bytes or context differ; RootKeyUnavailable."""


class LocalRootKey:
    """A root key held in memory, from a file or the environment: AES-256-GCM over nonce, key and context."""

    def __init__(self, root_key: bytes) -> None:
        self._cipher = AESGCM(root_key)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Wrap under a fresh random nonce."""
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Unwrap. Raises: WrongPlace."""
        try:
            return self._cipher.decrypt(wrapped[:12], wrapped[12:], context)
        except InvalidTag:
            raise WrongPlace from None


def root_key_path() -> Path | None:
    """The root key's file, or None where it does not come from a file. Raises: RootKeyUnavailable."""
    if not settings.ROOT_KEY_URL.startswith("file:"):
        return None
    path = settings.ROOT_KEY_URL.removeprefix("file://")
    if not path.startswith("/"):
        raise RootKeyUnavailable("write ROOT_KEY_URL with a whole path: file:///path/root-key.json")
    return Path(path)


def write_root_key(path: Path) -> bool:
    """Make the root key's file, mode 0600, unless there is one; says whether it made it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        json.dump({"version": 1, "key": base64.b64encode(os.urandom(KEY_BYTES)).decode()}, file)
        file.flush()
        os.fsync(file.fileno())
    return True


def provider() -> RootKeyProvider:
    """The provider that the settings name. Raises: RootKeyUnavailable, with what to do."""
    path = root_key_path()
    if path is not None:
        try:
            encoded = json.loads(path.read_text())["key"]
        except FileNotFoundError:
            raise RootKeyUnavailable(f"no root key at {path}: run `manage.py keys init`") from None
        except (ValueError, KeyError, TypeError):
            raise RootKeyUnavailable(f"the root key at {path} is not JSON with a member `key`") from None
        return LocalRootKey(_decoded(encoded, str(path)))
    if settings.ROOT_KEY_URL.startswith("env:"):
        return LocalRootKey(_decoded(settings.ROOT_KEY, "ROOT_KEY"))
    raise RootKeyUnavailable("ROOT_KEY_URL must be file:///path or env://")


def _decoded(encoded: str, where: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, TypeError):
        key = b""
    if len(key) != KEY_BYTES:
        raise RootKeyUnavailable(f"the root key in {where} is not {KEY_BYTES} bytes in base64")
    return key
