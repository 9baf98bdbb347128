#!/usr/bin/env python3
"""Verify an exported audit log or a completion certificate, with nothing but this file, Python and `cryptography`.

    python offline.py log LOG.jsonl CHECKPOINT --log-key KEY
    python offline.py certificate CERTIFICATE.json --key KEY --log-key KEY

KEY is what you trust, and you must have it from somewhere else than the file: an Ed25519 public key (32 bytes in
base64, as in the e-mail or in /.well-known/jwks.json) or, for a certificate, which carries its keys, `sha256:` and the
key's fingerprint in hex. `--key` signs certificates, `--log-key` the log's checkpoints; `--origin` names the log that
it must be. Exit status 0: every check passed; 1: one failed; 2: the input cannot be read.

What is checked. Log: every line is a leaf of the Merkle tree (RFC 6962) whose root the checkpoint states, and the
checkpoint (C2SP signed note) is signed by a pinned key. Certificate: its signature (Ed25519 over RFC 8785 canonical
JSON), the checkpoint's, that each entry is about this request and stands in the log, and each answer that a system
signed itself: that it is unchanged, about this task, and says what the certificate says.
"""

import argparse
import base64
import binascii
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Unverified(Exception):
    """A check failed, or the input is not what it should be; the text says which and where."""


URL_ALPHABET = str.maketrans("-_", "+/")


class Pinned:
    """The keys that the reader trusts, given as keys or as fingerprints."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._fingerprints = {text.removeprefix("sha256:").lower() for text in texts if text.startswith("sha256:")}
        # As published in /.well-known/jwks.json too: without padding, in the URL's alphabet.
        keys = [text.translate(URL_ALPHABET) for text in texts if not text.startswith("sha256:")]
        self.keys = [decoded(text + "=" * (-len(text) % 4), "the key") for text in keys]
        if not (self._fingerprints or self.keys):
            raise Unverified("give the key that you trust with --key; without one nothing can be verified")

    def trust(self, key: bytes) -> bool:
        """Whether this key is one of them."""
        return key in self.keys or hashlib.sha256(key).hexdigest() in self._fingerprints


def decoded(text: object, what: str) -> bytes:
    """Base64 as bytes. Raises: Unverified."""
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        raise Unverified(f"{what} is not base64") from None


def canonical(value: object) -> bytes:
    """Canonical JSON: equal to RFC 8785 where keys are ASCII and no number is a float, as in all our files.

    Raises: Unverified, for text that is no Unicode.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Unverified("it holds text that is no Unicode") from None


def parsed(text: str | bytes, what: str) -> Mapping[str, object]:
    """A JSON object, no member of which stands twice: readers would differ in what it says. Raises: Unverified."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise Unverified(f"a member stands twice in {what}")
        return members

    try:
        document = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Unverified(f"{what} is not JSON") from None
    if not isinstance(document, Mapping):
        raise Unverified(f"{what} is not a JSON object")
    return document


def signed_by(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether this key made this signature."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def leaf_hash(entry: bytes) -> bytes:
    """RFC 6962, section 2.1."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962, section 2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaves: Iterator[bytes]) -> tuple[int, bytes]:
    """Size and root of the tree over these leaf hashes, in little memory: one hash a level is kept."""
    peaks: list[tuple[int, bytes]] = []
    size = 0
    for leaf in leaves:
        level, node, size = 0, leaf, size + 1
        while peaks and peaks[-1][0] == level:
            node = node_hash(peaks.pop()[1], node)
            level += 1
        peaks.append((level, node))
    root = hashlib.sha256(b"").digest() if not peaks else peaks.pop()[1]
    while peaks:
        root = node_hash(peaks.pop()[1], root)
    return size, root


def root_of_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to: RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size:
        return None
    at, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if at & 1 or at == last:
            result = node_hash(sibling, result)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        at, last = at >> 1, last >> 1
    return result if last == 0 else None


def read_checkpoint(note: str, pinned: Pinned, carried: bytes | None = None, *, origin: str = "") -> tuple[int, bytes]:
    """Size and root that a checkpoint states, once a trusted key's signature on it was verified.

    Source: C2SP signed-note and tlog-checkpoint.
    """
    text, separator, signatures = note.partition("\n\n")
    lines = text.split("\n")
    if not separator or len(lines) < 3 or not lines[1].isascii() or not lines[1].isdigit():
        raise Unverified("the checkpoint is not a signed note")
    if origin and lines[0] != origin:
        raise Unverified(f"the checkpoint is of another log: {lines[0]}")
    keys = [*pinned.keys, *([carried] if carried and pinned.trust(carried) else [])]
    for key in keys:
        name = hashlib.sha256(lines[0].encode() + b"\n\x01" + key).digest()[:4]
        for line in signatures.splitlines():
            signer, _, encoded = line.removeprefix("— ").rpartition(" ")
            signature = decoded(encoded, "the checkpoint's signature")
            if signer == lines[0] and signature[:4] == name and signed_by(key, signature[4:], f"{text}\n".encode()):
                return int(lines[1]), decoded(lines[2], "the checkpoint's root")
    raise Unverified("the checkpoint is not signed by a key that you trust")


def verify_log(lines: Iterator[bytes], note: str, pinned: Pinned, *, origin: str = "") -> Iterator[str]:
    """Check an exported log against its checkpoint; yields what was found right."""
    stated, root = read_checkpoint(note, pinned, origin=origin)
    yield f"checkpoint of {stated} entries: signed by a key that you trust"
    size, computed = root_of(leaf_hash(line.rstrip(b"\n")) for line in lines)
    if size != stated:
        raise Unverified(f"the log holds {size} entries and the checkpoint states {stated}")
    if computed != root:
        raise Unverified("the entries do not lead to the signed root: one was changed, added, removed or moved")
    yield f"all {size} entries: exactly what was signed"


FORMATS = ("identity-privacy/certificate/1", "identity-privacy/certificate-supplement/1")


def verify_certificate(
    document: Mapping[str, object], pinned: Pinned, log_pinned: Pinned, *, origin: str = ""
) -> Iterator[str]:
    """Check a completion certificate and everything in it; yields what was found right."""
    content, signature = table(document, "certificate"), table(document, "signature")
    if content.get("format") not in FORMATS or signature.get("algorithm") != "Ed25519":
        raise Unverified("this is no certificate of a form that is known here")
    key = decoded(signature.get("public_key"), "the public key")
    if not pinned.trust(key):
        raise Unverified("the certificate is not signed by a key that you trust")
    if not signed_by(key, decoded(signature.get("value"), "the signature"), canonical(content)):
        raise Unverified("the certificate was changed after it was signed")
    request, systems = table(content, "request"), rows(content, "systems")
    yield f"certificate of {request.get('reference')}: signed by a key that you trust, unchanged"
    targets = [("request", request.get("id")), *(("task", system.get("task")) for system in systems)]
    yield verify_entries(table(content, "log"), targets, log_pinned, origin)
    for system in systems:
        yield from verify_evidence(system)


def verify_entries(
    log: Mapping[str, object], targets: Sequence[tuple[str, object]], pinned: Pinned, origin: str
) -> str:
    """Check that there are audit entries, each about one of these targets, and that each stands in the signed log."""
    carried = decoded(log.get("public_key"), "the log's key")
    size, root = read_checkpoint(str(log.get("checkpoint")), pinned, carried, origin=origin)
    entries = rows(log, "entries")
    if not entries:
        raise Unverified("the certificate holds no audit entry")
    for number, proof in enumerate(entries):
        entry = table(proof, "entry")
        about = table(entry, "target")
        if (about.get("kind"), about.get("id")) not in targets:
            raise Unverified(f"entry {number} of the certificate is about something else")
        hashes = [decoded(part, f"proof of entry {number}") for part in sequence(proof, "hashes")]
        index = proof.get("index")
        if type(index) is not int or root_of_inclusion(leaf_hash(canonical(entry)), index, size, hashes) != root:
            raise Unverified(f"entry {number} of the certificate does not stand in the signed log")
    return f"{len(entries)} audit entries: all stand in the log of {size} entries, signed by a key that you trust"


def verify_evidence(system: Mapping[str, object]) -> Iterator[str]:
    """Check what a system signed itself; other kinds of evidence are named for what they are."""
    name = system.get("system")
    for when in ("evidence", "recheck_evidence"):
        evidence = system.get(when)
        if not isinstance(evidence, Mapping):
            continue
        kind = evidence.get("kind")
        if kind == "partner_ed25519" and "body" in evidence:
            if not is_signed_answer(evidence):
                raise Unverified(f"{name}: its signed answer was changed")
            answer = parsed(str(evidence.get("body")), f"{name}'s signed answer")
            is_recheck = answer.get("type") == "task.recheck"
            if answer.get("task") != system.get("task") or is_recheck != (when == "recheck_evidence"):
                raise Unverified(f"{name}: its signed answer is about something else")
            if not is_recheck and answer.get("outcome") != system.get("outcome"):
                raise Unverified(f"{name}: its signed answer says {answer.get('outcome')}")
            yield f"{name}, {when}: signed by {evidence.get('public_key')}; ask the system whether that is its key"
        elif kind:
            yield f"{name}, {when}: {WEIGHT.get(str(kind), 'unknown kind')}"


WEIGHT = {
    "partner_ed25519": "said to be signed by the system; the answer holds data and is not in here to be checked",
    "recorded_response": "the word of this service, which recorded the answer",
    "row_counts": "the word of this service, which counted its rows",
    "own_read": "the word of this service, which looked itself",
}


def is_signed_answer(evidence: Mapping[str, object]) -> bool:
    """Whether a Standard Webhooks v1a signature on an answer is by the key that stands beside it."""
    headers, body = table(evidence, "headers"), str(evidence.get("body"))
    text = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.{body}".encode()
    key = decoded(str(evidence.get("public_key")).removeprefix("whpk_"), "a system's public key")
    tokens = [token.partition(",") for token in str(headers.get("webhook-signature")).split()]
    return any(
        version == "v1a" and signed_by(key, decoded(value, "a system's signature"), text)
        for version, _, value in tokens
    )


def table(parent: Mapping[str, object], name: str) -> Mapping[str, object]:
    """A member that is an object. Raises: Unverified."""
    value = parent.get(name)
    if not isinstance(value, Mapping):
        raise Unverified(f"{name} is missing or no object")
    return value


def sequence(parent: Mapping[str, object], name: str) -> Sequence[object]:
    """A member that is a list. Raises: Unverified."""
    value = parent.get(name)
    if not isinstance(value, list):
        raise Unverified(f"{name} is missing or no list")
    return value


def rows(parent: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    """A member that is a list of objects. Raises: Unverified."""
    found = sequence(parent, name)
    if not all(isinstance(row, Mapping) for row in found):
        raise Unverified(f"{name} holds something else than objects")
    return [row for row in found if isinstance(row, Mapping)]


def report(checks: Iterator[str], say: Callable[[str], object]) -> int:
    """Say each check as it passes, and the first that fails; returns the exit status."""
    try:
        for line in checks:
            say(f"ok      {line}")
    except Unverified as error:
        say(f"FAILED  {error}")
        return 1
    say("verified")
    return 0


def log_checks(log: Path, checkpoint: Path, log_keys: Sequence[str], *, origin: str = "") -> Iterator[str]:
    """All checks of an exported log's files."""
    with log.open("rb") as lines:
        yield from verify_log(lines, checkpoint.read_text(encoding="utf-8"), Pinned(log_keys), origin=origin)


def certificate_checks(file: Path, keys: Sequence[str], log_keys: Sequence[str], *, origin: str = "") -> Iterator[str]:
    """All checks of a certificate's file."""
    document = parsed(file.read_bytes(), "the certificate")
    yield from verify_certificate(document, Pinned(keys), Pinned(log_keys), origin=origin)


def main() -> int:
    """Read the command line and verify."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    log = commands.add_parser("log", help="an exported audit log")
    log.add_argument("file", type=Path)
    log.add_argument("checkpoint", type=Path)
    certificate = commands.add_parser("certificate", help="a completion certificate or its supplement")
    certificate.add_argument("file", type=Path)
    certificate.add_argument("--key", action="append", default=[], help="key or fingerprint that signs certificates")
    for command in (log, certificate):
        command.add_argument("--log-key", action="append", default=[], help="key that signs the log's checkpoints")
        command.add_argument("--origin", default="", help="the log's name, the first line of its checkpoints")
    options = parser.parse_args()
    checks = (
        log_checks(options.file, options.checkpoint, options.log_key, origin=options.origin)
        if options.what == "log"
        else certificate_checks(options.file, options.key, options.log_key, origin=options.origin)
    )
    try:
        return report(checks, lambda line: sys.stdout.write(f"{line}\n"))
    except (OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"cannot be read: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
