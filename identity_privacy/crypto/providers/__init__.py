"""Where the root key is kept; a provider wraps and unwraps key-encryption keys and never shows the root key."""

from identity_privacy.crypto.providers.chosen import (
    begin_root_rotation,
    end_root_rotation,
    misconfigured,
    newest_only,
    provider,
    root_key_path,
    try_root_key,
    write_root_key,
)
from identity_privacy.crypto.providers.interface import KEY_BYTES, RootKeyProvider
from identity_privacy.crypto.providers.local import LocalRootKey
from identity_privacy.crypto.providers.transport import goes_in_the_clear, is_loopback

__all__ = [
    "KEY_BYTES",
    "LocalRootKey",
    "RootKeyProvider",
    "begin_root_rotation",
    "end_root_rotation",
    "goes_in_the_clear",
    "is_loopback",
    "misconfigured",
    "newest_only",
    "provider",
    "root_key_path",
    "try_root_key",
    "write_root_key",
]
