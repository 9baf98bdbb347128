"""Standard Webhooks: sign and verify.

What is signed is `id.timestamp.body`: the value of the header `webhook-id`, a full stop, that of `webhook-timestamp`
(Unix seconds), a full stop, and the body's bytes as they travel. `webhook-signature` holds signatures parted by spaces:
`v1,` and the base64 of an HMAC-SHA256 under a shared secret, or `v1a,` and the base64 of an Ed25519 signature.

>>> signed = sign(message_id="msg_1", timestamp=1764000000, body=b"{}", secrets=["whsec_" + "QUJD" * 8])
>>> signed["webhook-signature"]
'v1,5m19FjcXPk7cLfp9rEBM2oIdASTpmAKDOfoN5YptqDg='

Source: Standard Webhooks specification 1.0.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from identity_privacy.delivery.errors import UnreadableSecret, UnverifiedWebhook
from identity_privacy.delivery.terms import SignatureKind

TOLERANCE_SECONDS = 300
_SECRET, _PRIVATE, _PUBLIC = "whsec_", "whsk_", "whpk_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A message whose signature holds; `message_id` is what makes a repetition recognisable."""

    message_id: str
    kind: SignatureKind


def new_secret() -> str:
    """A shared secret of 32 random bytes, in the form in which it is handed over."""
    return _SECRET + base64.b64encode(os.urandom(32)).decode()


def new_private_key() -> str:
    """An Ed25519 key in the form `whsk_…`, for a system that signs so that others can verify."""
    return _PRIVATE + base64.b64encode(os.urandom(32)).decode()


def read_private_key(text: str) -> Ed25519PrivateKey:
    """The key behind `whsk_…`; 32 bytes of seed, or 64 with the public half behind it. Raises: UnreadableSecret."""
    return Ed25519PrivateKey.from_private_bytes(_unpacked(text, _PRIVATE, {32, 64})[:32])


def read_public_key(text: str) -> Ed25519PublicKey:
    """The key behind `whpk_…`. Raises: UnreadableSecret."""
    return Ed25519PublicKey.from_public_bytes(_unpacked(text, _PUBLIC, {32}))


def public_half(private_key: str) -> str:
    """The `whpk_…` of a `whsk_…`. Raises: UnreadableSecret."""
    return _PUBLIC + base64.b64encode(read_private_key(private_key).public_key().public_bytes_raw()).decode()


def sign(
    *,
    message_id: str,
    timestamp: int,
    body: bytes,
    secrets: Iterable[str] = (),
    ed25519: Callable[[bytes], bytes] | None = None,
) -> dict[str, str]:
    """The three headers of one message, with one signature per secret (several while one is replaced).

    `ed25519` returns the 64 raw bytes of a signature. Raises: UnreadableSecret.
    """
    text = _signed_text(message_id, str(timestamp), body)
    signatures = [f"v1,{base64.b64encode(_hmac(secret, text)).decode()}" for secret in secrets]
    if ed25519 is not None:
        signatures.append(f"v1a,{base64.b64encode(ed25519(text)).decode()}")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def verify(
    *,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    secrets: Sequence[str] = (),
    public_keys: Sequence[str] = (),
) -> Verified:
    """Whether one of the signatures is by a key that we know, and recent: 5 minutes either way of `now`.

    The strongest kind that holds is reported. Raises: UnverifiedWebhook; UnreadableSecret, for a key of ours.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp, signatures = (
        given.get(name, "") for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    )
    if not (message_id and timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16 and signatures):
        raise UnverifiedWebhook("headers missing or malformed")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise UnverifiedWebhook("timestamp too old or too new")
    try:
        text = _signed_text(message_id, timestamp, body)
    except UnicodeEncodeError:
        raise UnverifiedWebhook("headers missing or malformed") from None
    found = _parsed(signatures)
    if any(_verifies(read_public_key(key), signature, text) for key in public_keys for signature in found["v1a"]):
        return Verified(message_id=message_id, kind=SignatureKind.ED25519)
    if any(hmac.compare_digest(_hmac(secret, text), mac) for secret in secrets for mac in found["v1"]):
        return Verified(message_id=message_id, kind=SignatureKind.HMAC)
    raise UnverifiedWebhook("no signature by a known key")


def _signed_text(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode() + body


def _hmac(secret: str, text: bytes) -> bytes:
    return hmac.digest(_unpacked(secret, _SECRET, range(24, 65)), text, hashlib.sha256)


def _verifies(key: Ed25519PublicKey, signature: bytes, text: bytes) -> bool:
    try:
        key.verify(signature, text)
    except InvalidSignature:
        return False
    return True


def _parsed(header: str) -> dict[str, list[bytes]]:
    # Unknown versions and garbage are passed over: a sender may add a newer kind beside one that we know.
    found: dict[str, list[bytes]] = {"v1": [], "v1a": []}
    for part in header.split(" ")[:16]:
        version, _, encoded = part.partition(",")
        if version in found:
            try:
                found[version].append(base64.b64decode(encoded, validate=True))
            except (binascii.Error, ValueError):
                continue
    return found


def _unpacked(text: str, prefix: str, sizes: Iterable[int]) -> bytes:
    try:
        unpacked = base64.b64decode(text.removeprefix(prefix), validate=True)
    except (binascii.Error, ValueError):
        unpacked = b""
    if not text.startswith(prefix) or len(unpacked) not in sizes:
        raise UnreadableSecret(prefix)
    return unpacked
