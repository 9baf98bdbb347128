r"""Checkpoints with the signatures of witnesses, and the keys that these sign with (C2SP tlog-cosignature, Ed25519).

    identity-privacy.example/log
    42
    <root hash, base64>

    — identity-privacy.example/log <key id (4 bytes) and signature (64 bytes), base64>
    — witness.example/w1 <key id (4 bytes), time (8 bytes, Unix seconds) and signature (64 bytes), base64>

The log signs the text, which is everything up to the empty line. A witness signs the lines `cosignature/v1` and
`time 1764000000` and the text behind them: at that time this was the largest tree it had seen of this log, and the log
had only grown. Its public key is handed over as `NAME+KEY ID+KEY`, the id in hex, the key in base64 behind a byte 0x04;
its private key is kept as `PRIVATE+KEY+NAME+KEY ID+SEED`.

>>> key = CosigningKey(name="witness.example/w1", seed=bytes(range(32)))
>>> str(key.verifier)
'witness.example/w1+e75f6532+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4'
>>> text = "identity-privacy.example/log\n42\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
>>> line = key.cosign(text, at=1764000000)
>>> line[:50]
'— witness.example/w1 519lMgAAAABpJIEADidikZK3pta4X'
>>> parsed_note(f"{text}\n{line}").cosigned_by(key.verifier) == (1764000000, line)
True

Nothing here needs Django or a database. Source: C2SP signed-note, tlog-checkpoint, tlog-cosignature.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from identity_privacy.audit.offline import Unverified, decoded, signed_by

# What kind of signature a key makes: a log's on a note, or a witness's on a checkpoint.
ED25519: Final = b"\x01"
COSIGNATURE: Final = b"\x04"
KEY_BYTES: Final = 32
KEY_ID_BYTES, TIME_BYTES = 4, 8
# More than anybody trusts; signed-note asks for 16 at least.
MOST_SIGNATURES: Final = 64
# Of a witness, as our tables take it.
LONGEST_NAME: Final = 64

# No control characters: what is read here is shown to operators, too.
_NAME = r"[^\s+\x00-\x1f\x7f-\x9f\ud800-\udfff]+"
_NOTE = re.compile(
    r"(?P<text>(?P<origin>[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+)\n(?P<size>[1-9][0-9]{0,18})\n(?P<root>[A-Za-z0-9+/]{43}=)\n)\n"
    rf"(?P<lines>(?:— {_NAME} [A-Za-z0-9+/]+={{0,2}}\n){{1,{MOST_SIGNATURES}}})"
)
_KEY = re.compile(rf"(?P<name>{_NAME})\+(?P<id>[0-9a-f]{{8}})\+(?P<key>[A-Za-z0-9+/]{{44}})")
_PRIVATE: Final = "PRIVATE+KEY+"


def key_id(name: str, kind: bytes, public_key: bytes) -> bytes:
    """The four bytes by which a signature names its key. Source: C2SP signed-note."""
    return hashlib.sha256(name.encode() + b"\n" + kind + public_key).digest()[:KEY_ID_BYTES]


def signature_line(name: str, identifier: bytes, signature: bytes) -> str:
    """A line behind a note's text."""
    return f"— {name} {base64.b64encode(identifier + signature).decode()}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A witness's public key under the name that it signs under."""

    name: str
    public_key: bytes

    @property
    def id(self) -> bytes:
        """By what its signatures name it."""
        return key_id(self.name, COSIGNATURE, self.public_key)

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(COSIGNATURE + self.public_key).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CosigningKey:
    """A witness's private key; its text form is a secret, and `repr` does not show it."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(name=self.name, public_key=self._private.public_key().public_bytes_raw())

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    def cosign(self, text: str, *, at: int) -> str:
        """The line that is added to a note of this text; `at` is in Unix seconds."""
        signature = self._private.sign(_cosigned(text, at))
        return signature_line(self.name, self.verifier.id, at.to_bytes(TIME_BYTES) + signature)

    def secret_text(self) -> str:
        """The form in which it is kept in a file."""
        material = base64.b64encode(COSIGNATURE + self.seed).decode()
        return f"{_PRIVATE}{self.name}+{self.verifier.id.hex()}+{material}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One line behind a note's text, as it stands there: nothing of it is verified."""

    name: str
    key_id: bytes
    signature: bytes
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A checkpoint's note that can be read; nothing in it is true until a signature was verified."""

    text: str
    origin: str
    size: int
    root: bytes
    signatures: tuple[NoteSignature, ...]

    def lines_of_log(self, public_keys: Iterable[bytes]) -> list[str]:
        """The lines that these keys of the log signed.

        Raises: Unverified, where one that names such a key is not by it.
        """
        lines = []
        for public_key in public_keys:
            for made in self._by(self.origin, key_id(self.origin, ED25519, public_key)):
                if not signed_by(public_key, made.signature, self.text.encode()):
                    raise Unverified(f"a signature of {self.origin} on the checkpoint is not right")
                lines.append(made.line)
        return lines

    def cosigned_by(self, witness: VerifierKey) -> tuple[int, str] | None:
        """When this witness signed, in Unix seconds, and its line, if it did.

        Raises: Unverified, where one that names its key is not by it.
        """
        for made in self._by(witness.name, witness.id):
            at, signature = int.from_bytes(made.signature[:TIME_BYTES]), made.signature[TIME_BYTES:]
            if not signed_by(witness.public_key, signature, _cosigned(self.text, at)):
                raise Unverified(f"the cosignature of {witness.name} is not right")
            return at, made.line
        return None

    def _by(self, name: str, identifier: bytes) -> Iterator[NoteSignature]:
        return (made for made in self.signatures if (made.name, made.key_id) == (name, identifier))


def parsed_note(note: str) -> Note:
    """A checkpoint's note taken apart: three lines, an empty one, and signatures. Raises: Unverified."""
    found = _NOTE.fullmatch(note)
    if not found:
        raise Unverified("this is not the signed note of a checkpoint")
    lines = found["lines"].splitlines(keepends=True)
    return Note(
        text=found["text"],
        origin=found["origin"],
        size=int(found["size"]),
        root=decoded(found["root"], "the checkpoint's root"),
        signatures=tuple(_signature(line) for line in lines),
    )


def verifier_key(text: str) -> VerifierKey:
    """A witness's public key from `NAME+KEY ID+KEY`. Raises: Unverified."""
    name, identifier, public_key = _key(text)
    key = VerifierKey(name=name, public_key=public_key)
    if key.id != identifier:
        raise Unverified("the key id is not that of this name and key")
    return key


def cosigning_key(secret: str) -> CosigningKey:
    """A witness's private key from the form in which it is kept. Raises: Unverified, which does not show it."""
    if not secret.startswith(_PRIVATE):
        raise Unverified("this is no private key of a witness")
    name, identifier, seed = _key(secret.removeprefix(_PRIVATE))
    key = CosigningKey(name=name, seed=seed)
    if key.verifier.id != identifier:
        raise Unverified("the key id is not that of this name and key")
    return key


def _key(text: str) -> tuple[str, bytes, bytes]:
    found = _KEY.fullmatch(text)
    material = decoded(found["key"], "the key") if found else b""
    if found is None or len(material) != KEY_BYTES + 1 or material[:1] != COSIGNATURE:
        raise Unverified("this is no key of a witness: NAME+KEY ID+KEY, with an Ed25519 key that cosigns (0x04)")
    return found["name"], bytes.fromhex(found["id"]), material[1:]


def _signature(line: str) -> NoteSignature:
    _, name, encoded = line.split()
    blob = decoded(encoded, "a signature on the checkpoint")
    return NoteSignature(name=name, key_id=blob[:KEY_ID_BYTES], signature=blob[KEY_ID_BYTES:], line=line)


def _cosigned(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()
