"""Sealing under a secret that only its holder has: what a session knows opens with its cookie and with nothing here.

    lookup = HKDF-SHA-256(secret, salt the service's secret key, info place ‖ " lookup")
    key = HKDF-SHA-256(secret, salt the service's secret key, info place ‖ " key")

The row is found by `lookup` and sealed by `key` in the format of `seal`, bound to place and row. The secret must be one
that nobody can guess, of 128 random bits at least.

>>> own = HeldSecret("access.session.payload", "a" * 32)
>>> from uuid import UUID
>>> own.open(own.seal(b"Alice", row_id=UUID(int=1)), row_id=UUID(int=1))
b'Alice'

Source: RFC 5869 (HKDF).
"""

from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from identity_privacy.crypto.providers import KEY_BYTES
from identity_privacy.crypto.seal import associated_data, open_sealed, seal

# There is no data key: the place of its id in what a value is bound to stays empty.
_NO_KEY = UUID(int=0)


class HeldSecret:
    """A secret that was shown, and what it finds and opens."""

    @sensitive_variables("secret")
    def __init__(self, place: str, secret: str) -> None:
        self._place = place
        self.lookup = _derived(secret, f"{place} lookup").hex()
        self._cipher = AESGCM(_derived(secret, f"{place} key"))

    @sensitive_variables("plaintext")
    def seal(self, plaintext: bytes, *, row_id: UUID) -> bytes:
        """A value that only whoever shows the secret can open, and only in this row."""
        return seal(self._cipher, plaintext, associated_data(self._place, row_id, _NO_KEY))

    def open(self, sealed: bytes, *, row_id: UUID) -> bytes:
        """Open what was sealed under this secret. Raises: WrongPlace; UnreadableSeal."""
        return open_sealed(self._cipher, sealed, associated_data(self._place, row_id, _NO_KEY))


@sensitive_variables("secret")
def _derived(secret: str, info: str) -> bytes:
    salt = settings.SECRET_KEY.encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=info.encode()).derive(secret.encode())
