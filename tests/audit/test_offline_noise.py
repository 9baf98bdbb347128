"""The auditor's verifier finds any changed bit of an export; whatever a file holds, its last line says what it is."""

import base64
import json
from argparse import Namespace
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest
import time_machine
from django.core.management import call_command
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from identity_privacy.actors import Actor
from identity_privacy.audit import offline, services
from tests.audit.verifier import Signer, log_key, said

# What each check reads, as the command line calls it.
FILES = {
    "log": {"file": "log.jsonl", "checkpoint": "checkpoint", "previous": "since/older-checkpoint"},
    "proofs": {"file": "since/proofs.jsonl", "checkpoint": "since/checkpoint"},
    "growth": {"file": "since/growth.json", "checkpoint": "since/checkpoint", "older": "since/older-checkpoint"},
}
KEYS = "checkpoint.keys"
SIGNER = Signer(1)


@pytest.fixture
def folder(db: None, tmp_path: Path) -> Path:
    """An export of the whole log, and one of what came since a day."""
    with time_machine.travel(datetime(2026, 3, 1, tzinfo=UTC), tick=False):
        grow()
    grow()
    call_command("audit", "export", tmp_path, verbosity=0)
    call_command("audit", "export", tmp_path / "since", "--since", "2026-04-01", verbosity=0)
    return tmp_path


def grow() -> None:
    for number in range(6):
        services.record(
            actor=Actor.service("test"),
            action="test.done",
            target=("thing", uuid4()),
            controller_id=None,
            reason="für “alle”",
            details={"number": number},
        )
    services.sequence()


def verdict(folder: Path, what: str) -> str:
    """The last line that an auditor reads, who trusts a fingerprint."""
    files = {name: folder / path for name, path in FILES[what].items()}
    asked = {"what": what, "origin": "", "witness": [], "previous": None, "log_key": [fingerprint()], **files}
    return said(offline.checks(Namespace(**asked)))[-1]


def fingerprint() -> str:
    return f"sha256:{sha256(base64.b64decode(log_key())).hexdigest()}"


def tried(count: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("what", FILES)
def test_any_changed_bit_of_any_file_is_found(folder: Path, what: str) -> None:
    assert verdict(folder, what) == "verified"
    checkpoint = folder / FILES[what]["checkpoint"]
    paths = [*(folder / name for name in FILES[what].values()), checkpoint.with_name(KEYS)]

    @tried(150)
    @given(st.sampled_from(paths), st.integers(0, 2**20))
    def check(path: Path, bit: int) -> None:
        content = path.read_bytes()
        at, within = divmod(bit % (len(content) * 8), 8)
        assume((path.name, content[at : at + 1]) != (KEYS, b"\n"))  # any other space is as good between keys
        try:
            path.write_bytes(content[:at] + bytes([content[at] ^ 1 << within]) + content[at + 1 :])
            assert verdict(folder, what).startswith("FAILED")
        finally:
            path.write_bytes(content)

    check()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
DEEP = (b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"9" * 5_000 + b"}", b'{"a":NaN}', b"\xff\xfe")
NOISE = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()) | st.sampled_from(DEEP)


@pytest.mark.parametrize("what", FILES)
def test_whatever_a_file_holds_the_verifier_says_one_line(folder: Path, what: str) -> None:
    paths = [folder / name for name in FILES[what].values()]

    @tried(100)
    # Space behind a document of JSON means nothing.
    @given(st.sampled_from(paths), NOISE.filter(bytes.strip), st.booleans())
    def check(path: Path, noise: bytes, is_added: bool) -> None:
        content = path.read_bytes()
        try:
            path.write_bytes(content + noise if is_added else noise)
            assert verdict(folder, what).startswith("FAILED")
        finally:
            path.write_bytes(content)

    check()


# Everything that a certificate's checks look at, in the place where they look.
MEMBERS = {
    "format": "identity-privacy/certificate/1",
    "request": {"id": "1", "reference": "LI-1"},
    "logs": [
        {
            "public_key": SIGNER.key,
            "checkpoint": SIGNER.note_of([b"{}"]),
            "entries": [{"entry": {"target": {"kind": "request", "id": "1"}}, "index": 0, "hashes": []}],
        }
    ],
    "systems": [
        {
            "system": "shop",
            "task": "2",
            "outcome": "deleted",
            "evidence": {
                "kind": "partner_ed25519",
                "public_key": SIGNER.key,
                "body": "{}",
                "headers": {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1a,AA=="},
            },
        }
    ],
}


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@tried(300)
@given(st.sampled_from(list(places(MEMBERS))), JSON)
def test_whatever_a_signed_certificate_holds_the_verifier_says_one_line(
    place: tuple[str | int, ...], value: object
) -> None:
    content = json.loads(json.dumps(MEMBERS))
    *way, last = place
    inner = content
    for step in way:
        inner = inner[step]
    inner[last] = value
    try:
        signature = SIGNER.signature(offline.canonical(content))
    except offline.Unverified:
        return  # nobody can sign that
    signed = {"algorithm": "Ed25519", "public_key": SIGNER.key, "value": base64.b64encode(signature).decode()}
    pinned = offline.Pinned([SIGNER.key])
    lines = said(offline.verify_certificate({"certificate": content, "signature": signed}, pinned, pinned))
    assert lines[-1].startswith("FAILED")
