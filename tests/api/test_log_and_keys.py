"""The log's checkpoint and proofs, and our public keys, over HTTP."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.test import Client

from identity_privacy.audit import offline
from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.models import Entry
from identity_privacy.audit.offline import is_consistent
from identity_privacy.audit.services import sequence
from identity_privacy.crypto.signing import sign
from identity_privacy.crypto.terms import SigningUse
from tests.audit.verifier import log_key, said
from tests.cast import Cast
from tests.factories import make_person

CHECKPOINT = "/api/v1/audit/checkpoint/"
CONSISTENCY = "/api/v1/audit/consistency/"
KEYS = "/.well-known/jwks.json"


def test_anybody_may_read_the_newest_checkpoint(anybody: Client, stage: Cast) -> None:
    assert anybody.get(CHECKPOINT).status_code == 404
    sequence()
    checkpoint = latest_checkpoint()
    assert checkpoint
    answer = anybody.get(CHECKPOINT).json()
    assert (answer["size"], answer["note"]) == (checkpoint.size, checkpoint.note)


def test_anybody_may_have_it_proven_that_the_log_only_grew(anybody: Client, stage: Cast) -> None:
    assert anybody.get(f"{CONSISTENCY}?old=1").status_code == 404  # nothing is signed yet
    sequence()
    old = latest_checkpoint()
    make_person(stage.lindwerk, email="new@example.com", given_name="New")
    sequence()
    new = latest_checkpoint()
    assert old
    assert new
    for query in (f"old={old.size}", f"old={old.size}&new={new.size}"):
        found = anybody.get(f"{CONSISTENCY}?{query}").json()
        proof = [base64.b64decode(part) for part in found["hashes"]]
        assert (found["old"], found["new"]) == (old.size, new.size)
        assert is_consistent(old.size, new.size, bytes(old.root), bytes(new.root), proof)
        assert not is_consistent(old.size, new.size, bytes(32), bytes(new.root), proof)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "old"),
        ("old=0", "old"),
        ("old=x", "old"),
        ("old=2&new=1", "old"),
        ("old=1&new=1000000", "new"),
        ("old=1&new=", "new"),
    ],
)
def test_a_size_that_the_log_does_not_have_is_named(anybody: Client, stage: Cast, query: str, field: str) -> None:
    sequence()
    answer = anybody.get(f"{CONSISTENCY}?{query}")
    assert answer.status_code == 400
    assert [problem["field"] for problem in answer.json()["errors"]] == [field]


def test_staff_get_the_inclusion_proof_of_their_controllers_entries(
    browser: Client, stranger: Client, anybody: Client, stage: Cast
) -> None:
    entry = Entry.objects.filter(controller_id=stage.lindwerk.pk).earliest("id")
    proof = f"/api/v1/audit/entries/{entry.pk}/proof/"
    answer = browser.get(proof)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-yet-sequenced")
    sequence()
    answer = browser.get(proof)
    found = answer.json()
    assert found["entry"]["action"] == entry.action
    assert found["checkpoint"] == anybody.get(CHECKPOINT).json()["note"]
    saved = offline.verify_proofs([answer.content], found["checkpoint"], offline.Pinned([log_key()]))
    assert said(saved)[-1] == "verified"
    assert stranger.get(proof).status_code == 404
    assert anybody.get(proof).status_code == 401


def test_a_published_key_verifies_what_we_sign(anybody: Client, stage: Cast) -> None:
    made = sign(SigningUse.CHECKPOINT, b"message")
    keys = {key["kid"]: key for key in anybody.get(KEYS).json()["keys"]}
    key = keys[str(made.key.id)]
    assert (key["kty"], key["crv"], key["alg"], key["signs"]) == ("OKP", "Ed25519", "EdDSA", "checkpoint")
    raw = base64.urlsafe_b64decode(key["x"] + "=")
    Ed25519PublicKey.from_public_bytes(raw).verify(made.signature, b"message")


def test_a_published_key_holds_no_private_half(anybody: Client, stage: Cast) -> None:
    sign(SigningUse.CHECKPOINT, b"message")
    assert all("d" not in key for key in anybody.get(KEYS).json()["keys"])


@pytest.mark.parametrize("path", ["checkpoint/?cosignd=true", "consistency/?old=1&newer=2", "entries/?subjct=1"])
def test_a_parameter_with_a_slip_in_its_name_is_not_passed_over(browser: Client, stage: Cast, path: str) -> None:
    answer = browser.get(f"/api/v1/audit/{path}")
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert f"{error['field']}=" in path
    assert error["detail"].startswith("there is no such parameter; there is: ")
