"""The verifier as an auditor runs it, and a log and witnesses of a test's own."""

import hashlib
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from identity_privacy.audit import offline
from identity_privacy.crypto.signing import current_public_key
from identity_privacy.crypto.terms import SigningUse

ORIGIN = "log.example/audit"


def verify(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the verifier as an auditor does: a program of its own with nothing of ours in reach."""
    return subprocess.run(
        [sys.executable, "-I", str(Path(offline.__file__)), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={},
        cwd=cwd,
    )


def log_key() -> str:
    """The key of the service under test that signs checkpoints."""
    return b64encode(current_public_key(SigningUse.CHECKPOINT).public_key).decode()


class Signer:
    """A key that signs notes, as a log's or as a witness's; the same in every process."""

    def __init__(self, number: int) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        self.public = self._private.public_key().public_bytes_raw()

    @property
    def key(self) -> str:
        """As it is pinned."""
        return b64encode(self.public).decode()

    @property
    def fingerprint(self) -> str:
        """As it is pinned in a shorter way."""
        return f"sha256:{hashlib.sha256(self.public).hexdigest()}"

    def signature(self, message: bytes) -> bytes:
        """Over anything."""
        return self._private.sign(message)

    def note(self, size: int, root: bytes, *, origin: str = ORIGIN) -> str:
        """A checkpoint."""
        text = f"{origin}\n{size}\n{b64encode(root).decode()}\n"
        identifier = hashlib.sha256(f"{origin}\n".encode() + b"\x01" + self.public).digest()[:4]
        return f"{text}\n— {origin} {b64encode(identifier + self.signature(text.encode())).decode()}\n"

    def note_of(self, lines: Iterable[bytes], *, origin: str = ORIGIN) -> str:
        """The checkpoint of a log of these lines."""
        tree = offline.Tree(map(offline.leaf_hash, lines))
        return self.note(tree.size, tree.root(), origin=origin)

    def verifier_key(self, name: str) -> str:
        """As a witness's key is handed over."""
        material = b"\x04" + self.public
        identifier = hashlib.sha256(f"{name}\n".encode() + material).hexdigest()[:8]
        return f"{name}+{identifier}+{b64encode(material).decode()}"

    def cosigned(self, note: str, name: str, *, at: int = 1_800_000_000) -> str:
        """A note with this witness's line behind the others."""
        text = note.partition("\n\n")[0] + "\n"
        identifier = bytes.fromhex(self.verifier_key(name).split("+")[1])
        signed = at.to_bytes(8) + self.signature(f"cosignature/v1\ntime {at}\n{text}".encode())
        return f"{note}— {name} {b64encode(identifier + signed).decode()}\n"


def said(checks: Iterable[str]) -> Sequence[str]:
    """What the verifier says, line by line."""
    lines: list[str] = []
    offline.report(iter(checks), lines.append)
    return lines
