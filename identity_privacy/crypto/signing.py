"""Ed25519 keys that sign checkpoints, certificates and webhooks; their public halves are published."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import IntegrityError, transaction
from django.db.models import Q
from uuid_utils.compat import uuid7

from identity_privacy import clock
from identity_privacy.crypto.errors import RotationRuns, StrangeKey, WrongPlace
from identity_privacy.crypto.held import Held
from identity_privacy.crypto.models import SigningKey
from identity_privacy.crypto.providers import RootKeyProvider, provider
from identity_privacy.crypto.router import KEYS
from identity_privacy.crypto.terms import SigningUse
from identity_privacy.crypto.transactions import ensure_begun

_held: Held[UUID, Ed25519PrivateKey] = Held()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A published key: 32 raw bytes, what it signs and since when."""

    id: UUID
    use: SigningUse
    public_key: bytes
    valid_from: datetime
    valid_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """64 bytes of Ed25519 and the key that made them."""

    key: PublicKey
    signature: bytes


def sign(use: SigningUse, message: bytes) -> Signature:
    """Sign with the current key of this use. Source: RFC 8032."""
    row = _current(use)
    return Signature(key=_public(row), signature=_private(row).sign(message))


def sign_with_all(use: SigningUse, message: bytes) -> Sequence[Signature]:
    """Sign with every key of this use that is valid now: the current one and, after a rotation, those before it."""
    is_valid = Q(valid_until=None) | Q(valid_until__gt=clock.now())
    rows = list(SigningKey.objects.filter(is_valid, use=use).order_by("-id"))
    if not any(row.valid_until is None for row in rows):
        rows = [_current(use), *rows]
    return [Signature(key=_public(row), signature=_private(row).sign(message)) for row in rows]


def private_key(use: SigningUse) -> Ed25519PrivateKey:
    """The current private key of this use, for a caller that signs many messages in one go."""
    return _private(_current(use))


def current_public_key(use: SigningUse) -> PublicKey:
    """The key that signs now, made at its first use."""
    return _public(_current(use))


def public_keys() -> Sequence[PublicKey]:
    """Every key that ever signed, for the published key set."""
    return [_public(row) for row in SigningKey.objects.order_by("id")]


def refuse_strange_keys(use: SigningUse) -> None:
    """That the private half of each published key of this use is here, wrapped by the root key: so we made it.

    Else whoever can write the keys database could publish a key of their own, and sign by it in our name.
    Raises: StrangeKey; RootKeyUnavailable.
    """
    for row in SigningKey.objects.filter(use=use).order_by("id"):
        try:
            public_key = _opened(row).public_key().public_bytes_raw()
        except (WrongPlace, ValueError):
            raise StrangeKey(row.id) from None
        if public_key != bytes(row.public_key):
            raise StrangeKey(row.id)


def rotate_signing_key(use: SigningUse, *, overlap: timedelta) -> tuple[PublicKey, PublicKey]:
    """Make a new current key of this use; the one until now stays valid for `overlap`. Returns the old and the new.

    Those before it, too, stay valid no longer than that.

    Raises: RotationRuns, where another rotation of it ended at the same moment.
    """
    _current(use)  # there is one now
    # Wrapped inside the transaction, as in `_current`.
    with transaction.atomic(using=KEYS):
        ensure_begun(KEYS)
        old = SigningKey.objects.select_for_update().filter(use=use, valid_until=None).first()
        if old is None:
            raise RotationRuns("the signing key was rotated just now")
        new = _new(use)
        old.valid_until = new.valid_from + overlap
        # Not what is wrapped: a rotation of the root key may have changed that meanwhile.
        old.save(update_fields=["valid_until"])
        new.save(force_insert=True)
        # So that a rotation without overlap stops whichever key is in wrong hands.
        SigningKey.objects.filter(use=use, valid_until__gt=old.valid_until).update(valid_until=old.valid_until)
    return _public(old), _public(new)


def unwrap_signing_key(row: SigningKey, root: RootKeyProvider) -> bytes:
    """A signing key's private half, for a rotation of the root key. Raises: RootKeyUnavailable; WrongPlace."""
    return root.unwrap(bytes(row.wrapped), _context(row.id, SigningUse(row.use)))


def wrap_signing_key(row: SigningKey, private: bytes, root: RootKeyProvider) -> bytes:
    """A signing key's private half wrapped anew, for a rotation of the root key. Raises: RootKeyUnavailable."""
    return root.wrap(private, _context(row.id, SigningUse(row.use)))


def _current(use: SigningUse) -> SigningKey:
    found = SigningKey.objects.filter(use=use, valid_until=None).first()
    if found is not None:
        return found
    try:
        # Wrapped inside the transaction: a rotation of the root key waits for it before it looks for what is left.
        with transaction.atomic(using=KEYS):
            ensure_begun(KEYS)
            row = _new(use)
            row.save(force_insert=True)
    except IntegrityError:  # another process made it first
        return SigningKey.objects.get(use=use, valid_until=None)
    return row


def _new(use: SigningUse) -> SigningKey:
    private, key_id = Ed25519PrivateKey.generate(), uuid7()
    return SigningKey(
        id=key_id,
        use=use,
        public_key=private.public_key().public_bytes_raw(),
        wrapped=provider().wrap(private.private_bytes_raw(), _context(key_id, use)),
        valid_from=clock.now(),
    )


def _private(row: SigningKey) -> Ed25519PrivateKey:
    return _held.get(row.id, lambda: _opened(row))


def _opened(row: SigningKey) -> Ed25519PrivateKey:
    try:
        opened = unwrap_signing_key(row, provider())
    except WrongPlace:  # the root key was rotated since the row was read: look again
        opened = unwrap_signing_key(SigningKey.objects.get(id=row.id), provider())
    return Ed25519PrivateKey.from_private_bytes(opened)


def _context(key_id: UUID, use: SigningUse) -> bytes:
    return b"signing key\x00" + key_id.bytes + use.encode()


def _public(row: SigningKey) -> PublicKey:
    return PublicKey(
        id=row.id,
        use=SigningUse(row.use),
        public_key=bytes(row.public_key),
        valid_from=row.valid_from,
        valid_until=row.valid_until,
    )
