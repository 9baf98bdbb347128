"""Which root key the settings name, and how one gives way to the next."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from django.conf import settings
from django.utils.module_loading import import_string

from identity_privacy.crypto.errors import RootKeyUnavailable, WrongPlace
from identity_privacy.crypto.providers.interface import KEY_BYTES, RemoteRootKey, RootKeyProvider
from identity_privacy.crypto.providers.local import KeyFile, LocalRootKey, decoded
from identity_privacy.crypto.providers.pause import Paused

# By dotted path, as Django names back ends: boto3 costs each process 0.2 s and 20 MB, which only its users should pay.
REMOTE: Final = {
    "awskms": "identity_privacy.crypto.providers.aws.AwsKms",
    "vault+https": "identity_privacy.crypto.providers.vault.VaultTransit",
    "vault+http": "identity_privacy.crypto.providers.vault.VaultTransit",
}
SCHEMES: Final = ("file", "env", *REMOTE)


class NewestFirst:
    """Wraps under the newest root key, and opens what it or one of those before it wrapped."""

    def __init__(self, providers: Sequence[RootKeyProvider]) -> None:
        self._providers = providers

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Wrap under the newest."""
        return self._providers[0].wrap(key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Unwrap by the first that can.

        Raises: RootKeyUnavailable, when one that might have is not there; WrongPlace, when none of them can.
        """
        failure: RootKeyUnavailable | WrongPlace = WrongPlace()
        for provider in self._providers:
            try:
                return provider.unwrap(wrapped, context)
            except WrongPlace:
                continue
            except RootKeyUnavailable as error:
                failure = error
        raise failure


def provider() -> RootKeyProvider:
    """The root key that the settings name, with those before it. Raises: RootKeyUnavailable, with what to do."""
    keys = _of(settings.ROOT_KEY_URL, settings.ROOT_KEY, "ROOT_KEY")
    if settings.ROOT_KEY_PREVIOUS_URL:
        keys = [*keys, *_of(settings.ROOT_KEY_PREVIOUS_URL, settings.ROOT_KEY_PREVIOUS, "ROOT_KEY_PREVIOUS")]
    elif settings.ROOT_KEY_PREVIOUS:
        keys = [*keys, LocalRootKey(decoded(settings.ROOT_KEY_PREVIOUS, "ROOT_KEY_PREVIOUS"))]
    return NewestFirst(keys)


def newest_only() -> RootKeyProvider:
    """The newest root key alone: what it opens needs none of those before it. Raises: RootKeyUnavailable."""
    remote = _remote(settings.ROOT_KEY_URL)
    if remote is not None:
        return Paused(settings.ROOT_KEY_URL, remote.newest())
    return _of(settings.ROOT_KEY_URL, settings.ROOT_KEY, "ROOT_KEY")[0]


def begin_root_rotation() -> str:
    """See that there is a newer root key to wrap under; safe to repeat. Says in a sentence what was done.

    Then re-wrap everything by `provider()`, see by `newest_only()` that nothing is left, and end with that
    (`end_root_rotation`).

    Raises: RootKeyUnavailable, where the operator must make the new key first, with how.
    """
    if _previous_settings():
        return f"The root key moves to {_named(settings.ROOT_KEY_URL)}; {_previous_settings()} still opens."
    path = root_key_path()
    if path is not None:
        if KeyFile(path).add_newest():
            return f"A new root key stands first in {path}; the one until now still opens."
        return f"A new root key stands first in {path} already."
    if settings.ROOT_KEY_URL.startswith("env:"):
        raise RootKeyUnavailable("set ROOT_KEY to a new key and ROOT_KEY_PREVIOUS to the one until now, then again")
    return (
        f"{_named(settings.ROOT_KEY_URL)} keeps the versions of its key itself: "
        "everything is wrapped anew under the newest."
    )


def end_root_rotation(verified: RootKeyProvider) -> str:
    """Drop the older root keys, once this one was seen to open everything; safe to repeat. Says what was done.

    Raises: RootKeyUnavailable; RotationRuns, where `verified` is no longer the newest.
    """
    path, previous = root_key_path(), _previous_settings()
    dropped = path is not None and isinstance(verified, LocalRootKey) and KeyFile(path).keep_newest(verified)
    if previous:
        return f"Nothing needs {previous} any more: unset it."
    if dropped:
        return f"Only the newest root key is left in {path}."
    if path is not None:
        return f"Only one root key stands in {path}."
    return f"Nothing needs an older version of the key in {_named(settings.ROOT_KEY_URL)} any more."


def try_root_key() -> None:
    """Wrap and unwrap something made up: a wrong token or policy shows now, and not at the first person.

    Raises: RootKeyUnavailable.
    """
    root, made_up = provider(), os.urandom(KEY_BYTES)
    if root.unwrap(root.wrap(made_up, b"a try"), b"a try") != made_up:
        raise RootKeyUnavailable("the root key does not open what it has just wrapped")


def root_key_path() -> Path | None:
    """The root key's file, or None where it does not come from a file. Raises: RootKeyUnavailable."""
    return _path(settings.ROOT_KEY_URL)


def write_root_key(path: Path) -> bool:
    """Make the root key's file, mode 0600, unless there is one; says whether it made it."""
    return KeyFile(path).create()


def misconfigured() -> str:
    """What is wrong with the addresses of the root keys, if anything; asks no server and reads no key."""
    for name in ("ROOT_KEY_URL", "ROOT_KEY_PREVIOUS_URL"):
        url: str = getattr(settings, name)
        try:
            if url and _path(url) is None:
                _remote(url)
        except RootKeyUnavailable as error:
            return f"{name}: {error}"
    return ""


def _of(url: str, key: str, key_setting: str) -> Sequence[RootKeyProvider]:
    path = _path(url)
    if path is not None:
        return [LocalRootKey(found) for found in KeyFile(path).read()]
    if url.startswith("env:"):
        return [LocalRootKey(decoded(key, key_setting))]
    remote = _remote(url)
    if remote is None:
        raise RootKeyUnavailable(f"ROOT_KEY_URL must begin with {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
    return [Paused(url, remote)]


def _path(url: str) -> Path | None:
    if not url.startswith("file:"):
        return None
    path = url.removeprefix("file://")
    if not path.startswith("/"):
        raise RootKeyUnavailable("write ROOT_KEY_URL with a whole path: file:///path/root-key.json")
    return Path(path)


def _remote(url: str) -> RemoteRootKey | None:
    dotted = REMOTE.get(url.partition("://")[0])
    if dotted is None:
        return None
    make: Callable[[str], RemoteRootKey] = import_string(dotted)
    return make(url)


def _previous_settings() -> str:
    """The settings that name a root key from before, to be named to the operator."""
    return " and ".join(name for name in ("ROOT_KEY_PREVIOUS_URL", "ROOT_KEY_PREVIOUS") if getattr(settings, name))


def _named(url: str) -> str:
    return {"awskms": "AWS KMS", "vault+https": "Vault", "vault+http": "Vault", "env": "ROOT_KEY", "file": "the file"}[
        url.partition("://")[0]
    ]
