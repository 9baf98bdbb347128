#!/usr/bin/env python3
"""Verify an exported audit log or a completion certificate, with nothing but this file, Python and `cryptography`.

    python offline.py log log.jsonl checkpoint --log-key KEY [--previous CHECKPOINT]
    python offline.py proofs proofs.jsonl checkpoint --log-key KEY
    python offline.py growth OLDER_CHECKPOINT NEWER_CHECKPOINT growth.json --log-key KEY
    python offline.py certificate certificate.json --key KEY --log-key KEY

KEY is what you trust, and you must have it from somewhere else than the files: an Ed25519 public key (32 bytes in
base64, as in a letter or in /.well-known/jwks.json) or, where the files bring the key along, `sha256:` and the key's
fingerprint in hex. `--log-key` signs the log's checkpoints, `--key` certificates. `--origin` names the log that it must
be, `--witness NAME+ID+KEY` somebody who must have cosigned the checkpoint, `--previous` an older checkpoint that you
kept and from which the log must go on. Exit status 0: every check passed; 1: one failed; 2: a file cannot be read.

What is checked. log: every line is a leaf of the Merkle tree (RFC 6962) whose root the checkpoint states, and the
checkpoint (C2SP signed note) is signed by a key that you trust. proofs: each entry stands in that tree. growth: the
older checkpoint's log is the beginning of the newer one's. certificate: its signature (Ed25519 over RFC 8785 canonical
JSON), that each entry in it is about this request and stands in the log, and each answer that a system signed itself:
that it is unchanged, about this task, and says what the certificate says.
"""

from __future__ import annotations  # so that it runs on Python 3.9 too

import argparse
import base64
import hashlib
import io
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Object = Mapping[str, object]  # in JSON


class Unverified(Exception):
    """A check failed, or the input is not what it should be; the text says which and where.

    Every function here may raise it, and nothing else whatever the files hold. Those that check yield, line by line,
    what they found right.
    """


# --- The Merkle tree --------------------------------------------------------------------------------
def leaf_hash(entry: bytes) -> bytes:
    """Hash of one entry: RFC 6962, section 2.1."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: RFC 6962, section 2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """The tree over leaf hashes as they come, in little memory: of each level at most one hash is kept.

    These are the roots of the full subtrees from the left, one for every bit that is set in the size.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._roots: list[bytes] = []
        for leaf in leaves:
            self.add(leaf)

    def add(self, leaf: bytes) -> None:
        """The next leaf's hash."""
        full = self.size
        while full & 1:
            leaf = node_hash(self._roots.pop(), leaf)
            full >>= 1
        self._roots.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root over the leaves so far: RFC 6962, section 2.1."""
        if not self._roots:
            return hashlib.sha256(b"").digest()
        result = self._roots[-1]
        for left in self._roots[-2::-1]:
            result = node_hash(left, result)
        return result


def root_of_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that a proof leads to, or None where it has the wrong length: RFC 9162, section 2.1.3.2."""
    roots = climb(index, size - 1, leaf, proof) if 0 <= index < size else None
    return roots[1] if roots else None


def is_consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the log of `old` entries is the beginning of that of `new`: RFC 9162, section 2.1.4.2."""
    if old == new or old == 0:
        return not proof and (old < new or old_root == new_root)
    if not 0 < old < new or not proof:
        return False
    path = [old_root, *proof] if old & (old - 1) == 0 else proof
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    return climb(at, last, path[0], path[1:]) == (old_root, new_root)


def climb(at: int, last: int, node: bytes, siblings: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The roots above a node, the `at`th of its level: over what is left of it, and over all up to the `last`th."""
    left = whole = node
    for sibling in siblings:
        if last == 0:
            return None
        if at & 1 or at == last:
            left, whole = node_hash(sibling, left), node_hash(sibling, whole)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            whole = node_hash(whole, sibling)
        at, last = at >> 1, last >> 1
    return (left, whole) if last == 0 else None


# --- Files, base64 and JSON -------------------------------------------------------------------------

LONGEST_LINE, LARGEST_FILE = 2**24, 2**28  # bytes; nothing of ours comes near


def text_in(file: Path) -> str:
    """What a file of text holds."""
    with file.open("rb") as opened:
        content = opened.read(LARGEST_FILE)
    try:
        return content.decode() if len(content) < LARGEST_FILE else "\0"  # which is nothing that is read here
    except UnicodeDecodeError:
        raise Unverified(f"{file.name} is not UTF-8") from None


def lines_of(opened: BinaryIO) -> Iterator[bytes]:
    """The lines of a file of any size, one at a time."""
    while line := opened.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise Unverified("a line is far too long")
        yield line[:-1] if line.endswith(b"\n") else line


def decoded(text: object, what: str) -> bytes:
    """Base64 as bytes, in the one way in which they are written."""
    given = text if isinstance(text, bytes) else str(text).encode("ascii", "replace")
    try:
        found = base64.b64decode(given, validate=True)
    except ValueError:
        found = b""
    if base64.b64encode(found) != given:
        raise Unverified(f"{what} is not base64")
    return found


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Unverified("a member stands twice")
    return members


def _whole(number: str) -> int:
    # Programs differ in how they write and read any others.
    if not number.lstrip("-").isdigit() or len(number) > 17 or abs(int(number)) >= 2**53:
        raise Unverified(f"{number[:20]} is no whole number below 2**53")
    return int(number)


READER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_whole)
LINE_READER = json.JSONDecoder(parse_int=_whole, parse_float=_whole, parse_constant=_whole)
WRITER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False)


def parsed(content: str | bytes, what: str, reader: json.JSONDecoder = READER) -> Object:
    """A JSON object, no member of which stands twice: readers would differ in what it says."""
    try:
        document = reader.decode(content if isinstance(content, str) else content.decode())
    except Unverified as error:
        raise Unverified(f"{error} in {what}") from None
    except (ValueError, RecursionError):
        raise Unverified(f"{what} is not JSON") from None
    if not isinstance(document, dict):
        raise Unverified(f"{what} is not a JSON object")
    return document


def canonical(value: object) -> bytes:
    """Canonical JSON: that of RFC 8785 where names are ASCII and numbers whole, as in all that we sign."""
    try:
        return WRITER.encode(value).encode()
    except (UnicodeEncodeError, RecursionError):
        raise Unverified("it holds text that is no Unicode, or is nested too deeply") from None


def canonical_line(line: bytes, number: int) -> Object:
    """A line of an export, where it is canonical JSON to the letter; others a program might show otherwise."""
    found = parsed(line, f"line {number}", LINE_READER)  # which loses what stands twice, so that it differs here
    if canonical(found) != line:
        raise Unverified(f"line {number} is not canonical JSON: programs might differ in what it says")
    return found


def table(parent: Object, name: str) -> Object:
    """A member that is an object."""
    value = parent.get(name)
    if not isinstance(value, Mapping):
        raise Unverified(f"{name} is missing or no object")
    return value


def sequence(parent: Object, name: str) -> Sequence[object]:
    """A member that is a list."""
    value = parent.get(name)
    if not isinstance(value, list):
        raise Unverified(f"{name} is missing or no list")
    return value


def rows(parent: Object, name: str) -> list[Object]:
    """A member that is a list of objects."""
    return [table({name: row}, name) for row in sequence(parent, name)]


# --- Keys and checkpoints ---------------------------------------------------------------------------

# As published in /.well-known/jwks.json too: without padding, in the URL's alphabet.
URL_ALPHABET = str.maketrans("-_", "+/")
NOTE = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)(?:\n[^\n]+)*")
EPOCH = re.compile(r"/epoch-([1-9][0-9]{0,8})\Z")
FINGERPRINT = re.compile(r"[0-9a-f]{64}")
END_OF_9999 = 253_402_300_799


class Pinned:
    """What the reader trusts: keys, given as they are or as fingerprints; of a log also its name and its witnesses."""

    def __init__(self, keys: Sequence[str], *, origin: str = "", witnesses: Sequence[str] = ()) -> None:
        named = [(text, text.lower().removeprefix("sha256:")) for text in map(str.strip, keys)]
        self._fingerprints = {rest for text, rest in named if text.lower() != rest}
        plain = [text.translate(URL_ALPHABET) for text, rest in named if text.lower() == rest]
        self.keys = [decoded(text + "=" * (-len(text) % 4), "the key") for text in plain]
        if any(len(key) != 32 for key in self.keys) or not all(map(FINGERPRINT.fullmatch, self._fingerprints)):
            raise Unverified("a key is 32 bytes in base64, or sha256: and 64 hexadecimal digits: one was mistyped")
        self.origin, self.witnesses = origin, witnesses
        if not (self._fingerprints or self.keys):
            raise Unverified("give the key that you trust, by --log-key and --key; without one nothing can be verified")

    def trust(self, key: bytes) -> bool:
        """Whether a key that came along with a file is one of them; from now on it is known."""
        if hashlib.sha256(key).hexdigest() in self._fingerprints and key not in self.keys:
            self.keys.append(key)
        return key in self.keys


def signed_by(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether this key made this signature (Ed25519)."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint states: a log's name, how many entries it has, and the root of their tree."""

    origin: str
    size: int
    root: bytes
    text: str  # all that was signed
    cosigned: str  # by whom and when

    @property
    def log(self) -> str:
        """The log's own name; opened anew after a restore, it goes on under that with `/epoch-2` behind it."""
        return EPOCH.sub("", self.origin)

    @property
    def epoch(self) -> int:
        """How often it was opened: 1 under its own name."""
        found = EPOCH.search(self.origin)
        return int(found[1]) if found else 1

    def __str__(self) -> str:
        return f"checkpoint of {self.size} entries of {self.origin}: signed by a key that you trust{self.cosigned}"


def read_checkpoint(note: str, pinned: Pinned, *, origin: str = "", witnesses: Sequence[str] = ()) -> Checkpoint:
    """What a checkpoint states that a trusted key and each witness signed: C2SP signed-note, tlog-checkpoint."""
    text, _, block = note.partition("\n\n")
    found = NOTE.fullmatch(text)
    *lines, end = (line.split(" ") for line in block.split("\n"))
    is_note = end == [""] and all(line[0] == "—" and len(line) == 3 for line in lines)
    if not found or not is_note or not note.replace("\n", "").isprintable():
        raise Unverified("the checkpoint is not a signed note")
    if origin and found[1] != origin:
        raise Unverified(f"the checkpoint is of another log: {found[1]}")
    signatures = [(name, decoded(encoded, "a signature on the checkpoint")) for _, name, encoded in lines]
    message = f"{text}\n".encode()
    made = [
        signed_by(key, signature[4:], message)
        for key in pinned.keys
        for name, signature in signatures
        if (name, signature[:4]) == (found[1], key_id(found[1], b"\x01" + key))
    ]
    if not any(made):
        raise Unverified("the checkpoint is not signed by a key that you trust")
    cosigned = "".join(f", cosigned by {cosignature(text, signatures, witness)}" for witness in witnesses)
    return Checkpoint(found[1], int(found[2]), decoded(found[3], "the root"), text, cosigned)


def key_id(name: str, kind_and_key: bytes) -> bytes:
    """The four bytes by which a signature names its key. Source: C2SP signed-note."""
    return hashlib.sha256(name.encode() + b"\n" + kind_and_key).digest()[:4]


def cosignature(text: str, signatures: Sequence[tuple[str, bytes]], witness: str) -> str:
    """By whom and when a checkpoint's text was cosigned, for a witness with this key: C2SP tlog-cosignature."""
    name, _, rest = witness.partition("+")
    identifier, _, encoded = rest.partition("+")
    key = decoded(encoded, "the witness's key")
    if not name.isprintable() or key[:1] != b"\x04" or identifier != key_id(name, key).hex():
        raise Unverified("the witness's key is not NAME+ID+KEY, or not one for cosignatures")
    for by, signature in signatures:
        seconds = int.from_bytes(signature[4:12], "big")
        message = f"cosignature/v1\ntime {seconds}\n{text}\n".encode()
        if (by, signature[:4].hex()) == (name, identifier) and signed_by(key[1:], signature[12:], message):
            return f"{name} at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(min(seconds, END_OF_9999)))}"
    raise Unverified(f"the checkpoint is not cosigned by {name}")


# --- The log ----------------------------------------------------------------------------------------

HASH_ALONE = b'{"leaf":"'


def verify_log(lines: Iterable[bytes], note: str, pinned: Pinned, *, previous: str | None = None) -> Iterator[str]:
    """Check an exported log against its checkpoint, and that it goes on from an older one."""
    stated = read_checkpoint(note, pinned, origin=pinned.origin, witnesses=pinned.witnesses)
    yield str(stated)
    older = read_checkpoint(previous, pinned) if previous is not None else None
    lines, tree, hashes_alone = iter(lines), Tree(), 0
    if older and older.origin != stated.origin:
        first = next(lines, b"")
        yield handed_over(first, older, stated)
        lines = chain([first], lines)
    elif older:
        hashes_alone = grow(tree, islice(lines, older.size), stated.size)
        if (tree.size, tree.root()) != (older.size, older.root):
            raise Unverified(f"the first {older.size} entries are not those of the older checkpoint")
        yield f"the first {older.size} entries are those of the older checkpoint"
    hashes_alone += grow(tree, lines, stated.size)
    if tree.size != stated.size:
        raise Unverified(f"the log ends at line {tree.size}, and the checkpoint states {stated.size} entries")
    if tree.root() != stated.root:
        raise Unverified("the entries do not lead to the signed root: one was changed, added, removed or moved")
    yield f"all {tree.size} entries: exactly what was signed"
    if hashes_alone:
        yield f"of {hashes_alone} of them the file holds the hash alone, not what they say"


def grow(tree: Tree, lines: Iterable[bytes], most: int) -> int:
    """Add the leaves of the next lines; says of how many there is the hash alone, `{"leaf":"<base64>"}`."""
    hashes_alone = 0
    for number, line in enumerate(lines, tree.size + 1):
        if number > most:
            raise Unverified(f"line {number} is more than the checkpoint states")
        if line.startswith(HASH_ALONE):
            leaf = decoded(line[len(HASH_ALONE) : -2], f"line {number}")
            if len(leaf) != 32 or line != HASH_ALONE + base64.b64encode(leaf) + b'"}':
                raise Unverified(f"line {number} is neither an entry nor an entry's hash")
            hashes_alone += 1
        else:
            canonical_line(line, number)
            leaf = leaf_hash(line)
        tree.add(leaf)
    return hashes_alone


def handed_over(line: bytes, older: Checkpoint, stated: Checkpoint) -> str:
    """That a log which was opened anew goes on from this older checkpoint, as its first line says. Raises: Unverified.

    After a restore from a backup, entries that were signed may be lost: that line says which.
    """
    entry = canonical_line(line, 1)
    is_hand_over = (entry.get("action"), table(entry, "target").get("id")) == ("log.handed_over", stated.origin)
    if not is_hand_over or older.log != stated.log or older.epoch >= stated.epoch:
        raise Unverified(f"line 1 does not hand the log over from {older.origin}")
    details = table(entry, "details")
    notes, missing, _ = (sequence(details, name) for name in ("checkpoints", "missing", "kept"))
    if older.text not in [str(note).partition("\n\n")[0] for note in notes]:
        raise Unverified(f"line 1 hands the log over, but not from this checkpoint of {older.size} entries")
    lost = ", ".join(map(str, missing)) or "nothing"
    if not lost.isprintable():
        raise Unverified("line 1 hands the log over, and does not say in plain text what is missing")
    return f"line 1 hands the log over from the older checkpoint of {older.size} entries; what is missing: {lost}"


# --- Proofs -----------------------------------------------------------------------------------------
def verify_proofs(lines: Iterable[bytes], note: str, pinned: Pinned) -> Iterator[str]:
    """Check that each entry stands in the log, in the log's order."""
    stated = read_checkpoint(note, pinned, origin=pinned.origin, witnesses=pinned.witnesses)
    yield str(stated)
    indexes = [-1, -1]  # of the first and the last entry
    count = 0
    for count, line in enumerate(lines, 1):
        index = proven_index(canonical_line(line, count), stated, f"line {count}")
        if index <= indexes[1]:
            raise Unverified(f"line {count} is not behind the line before in the log")
        indexes = [index if count == 1 else indexes[0], index]
    if not count:
        raise Unverified("the file holds no entry, so it proves nothing")
    yield f"{count} entries: each stands in the log"
    if count == indexes[1] - indexes[0] + 1:
        yield f"there are no others in it from index {indexes[0]} to {indexes[1]}"


def proven_index(proof: Object, stated: Checkpoint, what: str) -> int:
    """An entry's index in the log, once its inclusion proof is checked."""
    if more := set(proof) - {"entry", "hashes", "index", "checkpoint"}:
        raise Unverified(f"{what}: nothing proves what else it says: {min(more)!r}")
    leaf, index = leaf_hash(canonical(table(proof, "entry"))), proof.get("index")
    hashes = [decoded(part, what) for part in sequence(proof, "hashes")]
    if type(index) is not int or root_of_inclusion(leaf, index, stated.size, hashes) != stated.root:
        raise Unverified(f"{what}: the entry does not stand in the signed log")
    return index


def verify_growth(older_note: str, newer_note: str, proof: Object, pinned: Pinned) -> Iterator[str]:
    """Check that the log only grew between two checkpoints."""
    newer = read_checkpoint(newer_note, pinned, origin=pinned.origin, witnesses=pinned.witnesses)
    yield str(newer)
    older = read_checkpoint(older_note, pinned, origin=newer.origin)
    yield str(older)
    if (proof.get("old"), proof.get("new")) != (older.size, newer.size):
        raise Unverified("the proof is of other sizes than the two checkpoints")
    hashes = [decoded(part, "the proof") for part in sequence(proof, "hashes")]
    if not is_consistent(older.size, newer.size, older.root, newer.root, hashes):
        raise Unverified("the older log is not the beginning of the newer one: an entry was changed or taken out")
    yield f"the first {older.size} of the {newer.size} entries are those of the older checkpoint"


# --- Certificates -----------------------------------------------------------------------------------

FORMATS = ("identity-privacy/certificate/1", "identity-privacy/certificate-supplement/1")
WEIGHT = {
    "partner_ed25519": "said to be signed by the system; the answer holds data and is not in here to be checked",
    "recorded_response": "the word of this service, which recorded the answer",
    "row_counts": "the word of this service, which counted its rows",
    "own_read": "the word of this service, which looked itself",
}


def verify_certificate(document: Object, pinned: Pinned, log_pinned: Pinned) -> Iterator[str]:
    """Check a completion certificate and everything in it."""
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
    yield from verify_entries(rows(content, "logs"), targets, log_pinned)
    for system in systems:
        yield from verify_evidence(system)


def verify_entries(logs: Sequence[Object], targets: Sequence[tuple[str, object]], pinned: Pinned) -> Iterator[str]:
    """Check that each entry is about one of these, and stands in the log; in several, if that was opened anew."""
    if not logs:
        raise Unverified("the certificate holds no audit entry")
    for log in logs:
        pinned.trust(decoded(log.get("public_key"), "the log's key"))
        stated = read_checkpoint(str(log.get("checkpoint")), pinned, witnesses=pinned.witnesses)
        if pinned.origin not in ("", stated.log, stated.origin):
            raise Unverified(f"the checkpoint is of another log: {stated.origin}")
        entries = rows(log, "entries")
        if not entries:
            raise Unverified(f"the certificate holds no audit entry of {stated.origin}")
        for number, proof in enumerate(entries, 1):
            about = table(table(proof, "entry"), "target")
            if (about.get("kind"), about.get("id")) not in targets:
                raise Unverified(f"entry {number} of {stated.origin} is about something else")
            proven_index(proof, stated, f"entry {number} of {stated.origin}")
        yield str(stated)
        yield f"{len(entries)} audit entries: each stands in the log"


def verify_evidence(system: Object) -> Iterator[str]:
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


def is_signed_answer(evidence: Object) -> bool:
    """Whether a Standard Webhooks v1a signature on an answer is by the key beside it."""
    headers, body = table(evidence, "headers"), str(evidence.get("body"))
    text = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.{body}".encode()
    key = decoded(str(evidence.get("public_key")).removeprefix("whpk_"), "a system's public key")
    tokens = [token.partition(",") for token in str(headers.get("webhook-signature")).split()]
    return any(
        version == "v1a" and signed_by(key, decoded(value, "a system's signature"), text)
        for version, _, value in tokens
    )


# --- The command line -------------------------------------------------------------------------------

FILES = {
    "log": "file checkpoint",
    "proofs": "file checkpoint",
    "growth": "older checkpoint file",
    "certificate": "file",
}


def report(checks: Iterator[str], say: Callable[[str], object]) -> int:
    """Say each check as it passes, and the first that fails; returns the exit status."""
    try:
        for line in checks:
            say(f"ok      {shown(line)}")
    except Unverified as error:
        say(f"FAILED  {shown(str(error))}")
        return 1
    say("verified")
    return 0


def shown(text: str) -> str:
    """On one line: text out of a file could otherwise make a terminal show what was never found."""
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text[:1000])


def certificate_checks(file: Path, keys: Sequence[str], log_keys: Sequence[str]) -> Iterator[str]:
    """All checks of a certificate's file."""
    yield from verify_certificate(parsed(text_in(file), "the certificate"), Pinned(keys), Pinned(log_keys))


def checks(asked: argparse.Namespace) -> Iterator[str]:
    """All checks of the files that the command line names."""
    pinned = Pinned(asked.log_key, origin=asked.origin, witnesses=asked.witness)
    if asked.what == "certificate":
        yield from verify_certificate(parsed(text_in(asked.file), "the certificate"), Pinned(asked.key), pinned)
        return
    note = text_in(asked.checkpoint)
    keys = asked.checkpoint.with_name(f"{asked.checkpoint.name}.keys")  # an export brings them along
    for line in text_in(keys).split() if keys.is_file() else []:
        pinned.trust(decoded(line, keys.name))
    if asked.what == "growth":
        yield from verify_growth(text_in(asked.older), note, parsed(text_in(asked.file), "the proof"), pinned)
        return
    previous = text_in(asked.previous) if asked.previous else None
    with asked.file.open("rb") as opened:
        if asked.what == "log":
            yield from verify_log(lines_of(opened), note, pinned, previous=previous)
        else:
            yield from verify_proofs(lines_of(opened), note, pinned)


def main() -> int:
    """Read the command line and verify."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(previous=None)
    commands = parser.add_subparsers(dest="what", required=True)
    for what, files in FILES.items():
        command = commands.add_parser(what)
        for file in files.split():
            command.add_argument(file, type=Path)
        command.add_argument("--log-key", action="append", default=[], help="key or fingerprint that signs checkpoints")
        command.add_argument("--origin", default="", help="the log's name, the first line of its checkpoints")
        command.add_argument("--witness", action="append", default=[], help="who must have cosigned: NAME+ID+KEY")
        if what == "log":
            command.add_argument("--previous", type=Path, help="a checkpoint that you kept: the log must go on from it")
        if what == "certificate":
            command.add_argument("--key", action="append", default=[], help="key or fingerprint that signs it")
    try:
        return report(checks(parser.parse_args()), lambda line: sys.stdout.write(f"{line}\n"))
    except OSError as error:
        sys.stderr.write(f"cannot be read: {error}\n")
        return 2


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main())
