"""Anybody can verify a certificate offline with a key that they trust, and no change to it goes unseen."""

import base64
import copy
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsar.models import SubjectRequest
from dsar.services import answer_due, answering, carry_out, issue_certificate, recheck_due, record_result
from dsar.terms import RequestKind, RequestState
from identity_privacy import clock
from identity_privacy.audit import offline
from identity_privacy.audit.canonical import canonical_json
from identity_privacy.audit.checkpoints import latest_checkpoint, signed_by
from identity_privacy.audit.services import sequence
from identity_privacy.crypto.models import SigningKey
from identity_privacy.crypto.signing import current_public_key
from identity_privacy.crypto.terms import SigningUse
from identity_privacy.delivery import webhooks
from identity_privacy.delivery.models import System
from tests.audit.epochs import open_next_epoch
from tests.cast import ALICE_EMAIL, Cast
from tests.dsar.world import actions, again, answered, reading, report, report_all, result_of, signed, task_of
from tests.factories import make_request

Document = dict[str, object]


def keys_of_ours() -> list[str]:
    uses = SigningUse.CERTIFICATE, SigningUse.CHECKPOINT
    return [base64.b64encode(current_public_key(use).public_key).decode() for use in uses]


def certificate_of(request: SubjectRequest, which: str = "certificate") -> Document:
    with reading(request.subject_id):
        document: Document = getattr(again(request), which)
    return document


def verified(content: bytes, folder: Path, keys: list[str]) -> list[str]:
    """What the offline verifier says of a file, line by line, with the keys for certificates and for the log."""
    file = folder / "certificate.json"
    file.write_bytes(content)
    said: list[str] = []
    status = offline.report(offline.certificate_checks(file, keys[:1], keys[1:]), said.append)
    assert status == (0 if said[-1] == "verified" else 1)
    return said


def is_verified(document: object, folder: Path, keys: list[str] | None = None) -> bool:
    return verified(json.dumps(document).encode(), folder, keys_of_ours() if keys is None else keys)[-1] == "verified"


@pytest.fixture
def shops_key(cast: Cast) -> str:
    """The shop signs with a key of its own, so that others can verify what it says."""
    private = webhooks.new_private_key()
    System.objects.filter(id=cast.shop.id).update(public_key=webhooks.public_half(private))
    return private


@pytest.fixture
def erasure(cast: Cast, shops_key: str) -> SubjectRequest:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    carry_out(request_id=request.id)
    shop = task_of(request, "shop")
    body = result_of(shop, counts={"orders": 3})
    record_result(task_id=shop.id, headers=signed(body, private_key=shops_key), body=body)
    report(task_of(request, "mailer"), "kept", reason="Proof of consent, Art. 7(1)")
    answer_due()
    return again(request)


@pytest.fixture
def certificate(erasure: SubjectRequest) -> Document:
    return certificate_of(erasure)


def part(document: Document, *path: str | int) -> dict[str, object]:
    """A nested object of a certificate."""
    found: object = document
    for step in path:
        found = found[step]  # type: ignore[index]  # the path is ours
    assert isinstance(found, dict)
    return found


def test_it_verifies_with_the_keys_that_one_trusts(certificate: Document, tmp_path: Path, cast: Cast) -> None:
    said = verified(json.dumps(certificate).encode(), tmp_path, keys_of_ours())
    assert said[-1] == "verified"
    fingerprints = ["sha256:" + hashlib.sha256(base64.b64decode(key)).hexdigest() for key in keys_of_ours()]
    assert is_verified(certificate, tmp_path, fingerprints)
    assert [line for line in said if "signed by whpk_" in line], "the shop's own answer is evidence for all"
    assert "ok      mailer, evidence: the word of this service, which recorded the answer" in said


def test_a_checkpoint_names_the_key_that_signed_it_after_the_next_key_came(erasure: SubjectRequest) -> None:
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    signer = current_public_key(SigningUse.CHECKPOINT)
    SigningKey.objects.filter(use=SigningUse.CHECKPOINT).update(valid_until=clock.now())
    assert current_public_key(SigningUse.CHECKPOINT) != signer
    assert signed_by(checkpoint).id == signer.id


def test_it_verifies_with_nothing_but_the_one_script(certificate: Document, tmp_path: Path) -> None:
    file = tmp_path / "certificate.json"
    file.write_text(json.dumps(certificate))
    script = tmp_path / "offline.py"
    script.write_bytes(Path(offline.__file__).read_bytes())
    keys = [part for pair in zip(("--key", "--log-key"), keys_of_ours(), strict=True) for part in pair]
    command = [sys.executable, "-I", str(script), "certificate", str(file)]
    assert subprocess.run([*command, *keys], check=False, cwd=tmp_path, capture_output=True).returncode == 0
    assert subprocess.run(command, check=False, cwd=tmp_path, capture_output=True).returncode == 1


def test_it_says_what_each_place_did_and_on_what_that_rests(certificate: Document) -> None:
    systems = {row["system"]: row for row in part(certificate, "certificate")["systems"]}  # type: ignore[attr-defined]
    assert {code: (row["outcome"], row["evidence"]["kind"], row["check"]) for code, row in systems.items()} == {
        "this-service": ("done", "row_counts", "checked"),
        "shop": ("done", "partner_ed25519", ""),
        "mailer": ("kept", "recorded_response", ""),
    }
    assert systems["mailer"]["reason"] == "Proof of consent, Art. 7(1)"
    assert systems["shop"]["counts"] == {"orders": 3}


def test_every_step_of_the_request_stands_in_it_with_its_proof(erasure: SubjectRequest, certificate: Document) -> None:
    proofs = part(certificate, "certificate", "logs", 0)["entries"]
    assert isinstance(proofs, list)
    assert [proof["entry"]["action"] for proof in proofs] == actions(erasure)[:-1], "all but its own issue"
    assert actions(erasure)[-1] == "certificate.issued"


@pytest.mark.parametrize("keys", [[], ["sha256:" + "0" * 64]])
def test_without_a_key_that_one_trusts_it_does_not_verify(
    certificate: Document, tmp_path: Path, keys: list[str]
) -> None:
    assert not is_verified(certificate, tmp_path, keys)


def test_a_certificate_signed_by_another_key_does_not_verify(certificate: Document, tmp_path: Path) -> None:
    forger = Ed25519PrivateKey.generate()
    forged = copy.deepcopy(certificate)
    content = part(forged, "certificate")
    part(forged, "certificate", "request")["reference"] = "LI-FORGED"
    part(forged, "signature").update(
        public_key=base64.b64encode(forger.public_key().public_bytes_raw()).decode(),
        value=base64.b64encode(forger.sign(canonical_json(content))).decode(),
    )
    assert not is_verified(forged, tmp_path)
    mine = [base64.b64encode(forger.public_key().public_bytes_raw()).decode(), keys_of_ours()[1]]
    assert is_verified(forged, tmp_path, mine), "the forgery is well made: only the pinned key tells it"


def test_a_certificate_signed_by_us_for_another_use_does_not_verify(certificate: Document, tmp_path: Path) -> None:
    _, log_key = keys_of_ours()
    assert not is_verified(certificate, tmp_path, [log_key, log_key])


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where every single value of a document stands."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from leaves(member, (*path, name))
    if not isinstance(value, dict | list):
        yield path


def test_no_value_in_it_can_be_changed(certificate: Document, tmp_path: Path) -> None:
    keys, places = keys_of_ours(), list(leaves(part(certificate, "certificate")))
    assert len(places) > 100
    for place in places:
        changed = copy.deepcopy(certificate)
        parent: object = part(changed, "certificate")
        for step in place[:-1]:
            parent = parent[step]  # type: ignore[index]  # the path is the document's own
        old = parent[place[-1]]  # type: ignore[index]
        parent[place[-1]] = old + 1 if type(old) is int else f"{old}x"  # type: ignore[index]
        assert not is_verified(changed, tmp_path, keys), place


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(position=st.integers(0, 1_000_000), bit=st.integers(0, 7))
def test_no_byte_of_what_is_signed_can_be_changed(
    certificate: Document, tmp_path: Path, position: int, bit: int
) -> None:
    raw = bytearray(json.dumps(part(certificate, "certificate"), separators=(",", ":"), ensure_ascii=False).encode())
    raw[position % len(raw)] ^= 1 << bit
    signature = json.dumps(certificate["signature"]).encode()
    content = b'{"certificate":' + bytes(raw) + b',"signature":' + signature + b"}"
    assert verified(content, tmp_path, keys_of_ours())[-1] != "verified"


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b"\xff", b'{"certificate": 1}', b"[" * 100_000])
def test_a_file_that_is_no_certificate_fails_and_says_so(tmp_path: Path, db: None, content: bytes) -> None:
    assert verified(content, tmp_path, keys_of_ours())[-1].startswith("FAILED")


# --- When it is issued --------------------------------------------------------------------------------


def test_it_is_issued_once(erasure: SubjectRequest) -> None:
    first = certificate_of(erasure)
    issue_certificate(request_id=erasure.id)  # a second worker that saw it missing too
    answer_due()
    assert certificate_of(erasure) == first
    assert actions(erasure).count("certificate.issued") == 1


def test_the_recheck_adds_a_supplement_that_verifies_too(cast: Cast, erasure: SubjectRequest, tmp_path: Path) -> None:
    first = certificate_of(erasure)
    with time_machine.travel(clock.machine_now() + timedelta(days=31)):
        recheck_due()
        report(task_of(erasure, "shop"), counts={"found": 0}, recheck=True)
        answer_due()
    assert again(erasure).state == RequestState.CLOSED
    supplement = certificate_of(erasure, "supplement")
    assert is_verified(supplement, tmp_path)
    assert part(supplement, "certificate")["format"] == "identity-privacy/certificate-supplement/1"
    assert certificate_of(erasure) == first, "what was handed out stays as it was"


def test_entries_from_before_and_after_a_restore_are_all_proven(cast: Cast, tmp_path: Path) -> None:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    sequence()
    open_next_epoch()
    carry_out(request_id=request.id)
    report_all(request)
    answer_due()
    certificate = certificate_of(request)
    logs = part(certificate, "certificate")["logs"]
    assert isinstance(logs, list)
    origins = [log["checkpoint"].partition("\n")[0] for log in logs]
    assert origins == ["identity-privacy.example/log", "identity-privacy.example/log/epoch-2"]
    assert [proof["entry"]["action"] for log in logs for proof in log["entries"]] == actions(request)[:-1]
    assert is_verified(certificate, tmp_path)


def test_one_that_the_recheck_overtook_is_still_issued(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: object) -> None:
        raise OSError

    with monkeypatch.context() as broken:
        broken.setattr(answering, "issue_certificate", fails)
        request = answered(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    assert request.state == RequestState.ANSWERED
    with time_machine.travel(clock.machine_now() + timedelta(days=31)):
        recheck_due()
        report_all(request, recheck=True)
        answer_due()
        answer_due()
    assert again(request).state == RequestState.CLOSED
    assert certificate_of(request)
    assert certificate_of(request, "supplement")


def test_an_access_certificate_holds_no_value_that_a_system_sent(cast: Cast, shops_key: str, tmp_path: Path) -> None:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ACCESS)
    carry_out(request_id=request.id)
    shop = task_of(request, "shop")
    body = result_of(shop, data={"orders": [{"what": "red shoes"}]})
    record_result(task_id=shop.id, headers=signed(body, private_key=shops_key), body=body)
    report(task_of(request, "mailer"), "nothing_found")
    answer_due()
    certificate = certificate_of(request)
    assert is_verified(certificate, tmp_path)
    told = json.dumps(certificate, ensure_ascii=False)
    assert not [value for value in ("red shoes", ALICE_EMAIL, "Düsseldorf", "5304218") if value in told]
    assert hashlib.sha256(body).hexdigest() in told
