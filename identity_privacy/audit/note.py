"""Checkpoints as signed notes.

    identity-privacy.example/log
    42
    <root hash, base64>

    — identity-privacy.example/log <base64 of key hash (4 bytes) and Ed25519 signature (64 bytes)>

Source: C2SP signed-note and tlog-checkpoint.
"""

import base64
import hashlib

from identity_privacy.crypto.signing import sign
from identity_privacy.crypto.terms import SigningUse

ED25519 = b"\x01"


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """The text that is signed; it ends with a newline."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def signed_checkpoint(origin: str, size: int, root: bytes) -> str:
    """A checkpoint signed with the log's current key."""
    text = checkpoint_text(origin, size, root)
    made = sign(SigningUse.CHECKPOINT, text.encode())
    signature = base64.b64encode(key_hash(origin, made.key.public_key) + made.signature).decode()
    return f"{text}\n— {origin} {signature}\n"


def key_hash(name: str, public_key: bytes) -> bytes:
    """The four bytes by which a note's signature names its key. Source: C2SP signed-note."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public_key).digest()[:4]
