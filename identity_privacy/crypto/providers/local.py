r"""A root key that this machine holds: in a file, or in the environment.

The file is JSON, mode 0600, newest key first; two keys stand in it only while the root key is rotated:

    {"version": 1, "keys": ["jX9…=", "0aE…="]}

`{"version": 1, "key": "…"}`, which earlier releases wrote, is read too.
"""

import base64
import binascii
import contextlib
import fcntl
import hmac
import json
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from identity_privacy.crypto.errors import RootKeyUnavailable, RotationRuns, WrongPlace
from identity_privacy.crypto.providers.interface import KEY_BYTES


class LocalRootKey:
    """A root key held in memory: AES-256-GCM over nonce, key and context."""

    def __init__(self, root_key: bytes) -> None:
        self._cipher, self._key = AESGCM(root_key), root_key

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Wrap under a fresh random nonce."""
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Unwrap. Raises: WrongPlace."""
        try:
            return self._cipher.decrypt(wrapped[:12], wrapped[12:], context)
        except (InvalidTag, ValueError):  # ValueError: too short to hold even a nonce
            raise WrongPlace from None

    def is_made_of(self, root_key: bytes) -> bool:
        """Whether this is that key."""
        return hmac.compare_digest(self._key, root_key)


def decoded(encoded: object, where: str) -> bytes:
    """A root key from base64. Raises: RootKeyUnavailable, which names the place and not the key."""
    try:
        key = base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else b""
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise RootKeyUnavailable(f"the root key in {where} is not {KEY_BYTES} bytes in base64")
    return key


class KeyFile:
    """The file with the root keys, newest first; each change is whole or did not happen, whenever the process dies."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Sequence[bytes]:
        """The keys, newest first. Raises: RootKeyUnavailable."""
        try:
            content = json.loads(self.path.read_text())
            encoded = content["keys"] if "keys" in content else [content["key"]]
            first, *older = encoded
        except FileNotFoundError:
            raise RootKeyUnavailable(f"no root key at {self.path}: run `manage.py keys init`") from None
        except OSError as error:
            raise RootKeyUnavailable(f"the root key at {self.path} cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise RootKeyUnavailable(f"the root key at {self.path} is not JSON with a member `keys`") from None
        return [decoded(key, str(self.path)) for key in (first, *older)]

    def create(self) -> bool:
        """Make the file with one new key, unless there is one; says whether it made it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if self.path.exists():
                return False
            self._replace([os.urandom(KEY_BYTES)])
        return True

    def add_newest(self) -> bool:
        """Put a new key in front; False where two stand there already. Raises: RootKeyUnavailable."""
        with self._locked():
            keys = self.read()
            if len(keys) > 1:
                return False
            self._replace([os.urandom(KEY_BYTES), *keys])
        return True

    def keep_newest(self, verified: LocalRootKey) -> bool:
        """Drop all keys but the newest, of which it was seen that it opens everything; False where it is alone already.

        Raises: RootKeyUnavailable; RotationRuns, where a newer one stands in front of it.
        """
        with self._locked():
            newest, *older = self.read()
            if not verified.is_made_of(newest):
                raise RotationRuns("the root key was rotated further meanwhile; nothing was dropped")
            if older:
                self._replace([newest])
        return bool(older)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # Two rotations at once would each put a key of its own in front, and the loser's key would be lost.
        try:
            folder = os.open(self.path.resolve().parent, os.O_RDONLY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                yield
                os.fsync(folder)  # the new name must outlive a power cut, as its bytes do
            finally:
                os.close(folder)
        except OSError as error:
            raise RootKeyUnavailable(f"the root key at {self.path} cannot be written: {error.strerror}") from None

    def _replace(self, keys: Sequence[bytes]) -> None:
        path = self.path.resolve()  # a symbolic link stays one
        new = path.with_name(f"{path.name}.new")
        # One left behind by a process that was killed is overwritten: nothing was ever wrapped under its key.
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"version": 1, "keys": [base64.b64encode(key).decode() for key in keys]}, file)
            file.flush()
            if path.exists():  # rotated by root, it must stay readable for the account of the service
                before = path.stat()
                os.fchown(descriptor, before.st_uid, before.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
            os.fsync(descriptor)
        new.replace(path)
