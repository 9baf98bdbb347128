"""Checkpoints as signed notes.

    identity-privacy.example/log
    42
    <root hash, base64>

    — identity-privacy.example/log <base64 of key hash (4 bytes) and Ed25519 signature (64 bytes)>

While the signing key is rotated there are two such lines, one by either key.

Source: C2SP signed-note and tlog-checkpoint.
"""

import base64

from identity_privacy.audit.cosignature import ED25519, key_id, signature_line
from identity_privacy.crypto.signing import sign_with_all
from identity_privacy.crypto.terms import SigningUse


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """The text that is signed; it ends with a newline."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def signed_checkpoint(origin: str, size: int, root: bytes) -> str:
    """A checkpoint signed with the log's current key, and with the one before it while that is valid."""
    text = checkpoint_text(origin, size, root)
    lines = [
        signature_line(origin, key_id(origin, ED25519, made.key.public_key), made.signature)
        for made in sign_with_all(SigningUse.CHECKPOINT, text.encode())
    ]
    return f"{text}\n{''.join(lines)}"
