"""Witnesses hand in their signatures over HTTP, and anybody reads them there."""

import base64
import json

import pytest
from django.test import Client
from pytest_django import Settings

from identity_privacy.audit import offline, services
from identity_privacy.audit.cosignature import CosigningKey, parsed_note
from identity_privacy.audit.errors import LogBehind
from identity_privacy.audit.models import Entry
from tests.audit.witnessed import ORIGIN, WITNESS, cosigned, grow, log_key, newest, restore
from tests.cast import Cast
from tests.factories import SERVICE

CHECKPOINT = "/api/v1/audit/checkpoint/"
COSIGNATURES = "/api/v1/audit/cosignatures/"
HAND_OVER = "/api/v1/audit/hand-over/"


@pytest.fixture(autouse=True)
def trusted(settings: Settings) -> None:
    settings.AUDIT_WITNESSES = [str(WITNESS.verifier)]


def send(client: Client, note: object) -> tuple[int, dict[str, object]]:
    answer = client.post(COSIGNATURES, json.dumps({"note": note}), content_type="application/json")
    return answer.status_code, answer.json()


def test_a_witness_hands_in_its_signature_and_anybody_reads_it(anybody: Client, stage: Cast) -> None:
    checkpoint = grow()
    for _ in range(2):
        assert send(anybody, cosigned(checkpoint)) == (200, {"size": checkpoint.size, "witnesses": [WITNESS.name]})
    note = anybody.get(CHECKPOINT).json()["note"]
    assert note == cosigned(checkpoint)
    assert parsed_note(note).cosigned_by(WITNESS.verifier)
    assert offline.read_checkpoint(note, offline.Pinned([log_key()]), origin=ORIGIN).size == checkpoint.size


def test_the_newest_cosigned_checkpoint_can_be_asked_for(anybody: Client, stage: Cast) -> None:
    assert anybody.get(f"{CHECKPOINT}?cosigned=true").status_code == 404
    checkpoint = grow()
    assert anybody.get(f"{CHECKPOINT}?cosigned=true").status_code == 404
    send(anybody, cosigned(checkpoint))
    grow()
    assert anybody.get(CHECKPOINT).json()["size"] == newest().size
    assert anybody.get(f"{CHECKPOINT}?cosigned=true").json()["note"] == cosigned(checkpoint)
    for unclear in ("perhaps", ""):
        answer = anybody.get(f"{CHECKPOINT}?cosigned={unclear}")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cosigned")


def test_json_that_is_nested_without_end_is_the_senders_error(anybody: Client, stage: Cast) -> None:
    answer = anybody.post(COSIGNATURES, "[" * 60_000, content_type="application/json")
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid")


@pytest.mark.parametrize("note", ["", None, 7, [], "a note", f"{ORIGIN}\n1\n", "\ud800", "x" * 20_000])
def test_what_is_no_note_names_the_field(anybody: Client, stage: Cast, note: object) -> None:
    status, problem = send(anybody, note)
    assert (status, problem["type"]) == (400, "/problems/invalid")
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert [error["field"] for error in errors] == ["note"]


def test_what_is_no_json_or_too_large_is_refused(anybody: Client, stage: Cast) -> None:
    assert anybody.post(COSIGNATURES, b"{", content_type="application/json").status_code == 400
    assert anybody.post(COSIGNATURES, b"[]", content_type="application/json").status_code == 400
    assert anybody.post(COSIGNATURES, b"note", content_type="text/plain").status_code == 415
    status, problem = send(anybody, "x" * 70_000)
    assert (status, problem["type"]) == (413, "/problems/too-large")


def test_a_witness_that_is_not_trusted_is_refused(anybody: Client, stage: Cast) -> None:
    stranger = CosigningKey(name="witness.example/w3", seed=b"3" * 32)
    status, problem = send(anybody, cosigned(grow(), stranger))
    assert (status, problem["type"]) == (403, "/problems/not-cosigned")


def test_a_checkpoint_that_the_log_does_not_hold_is_a_conflict_and_stops_it(anybody: Client, stage: Cast) -> None:
    size = grow().size
    evidence = cosigned(grow())
    restore(size)
    status, problem = send(anybody, evidence)
    assert (status, problem["type"]) == (409, "/problems/checkpoint-not-held")
    with pytest.raises(LogBehind):
        services.sequence()
    services.hand_over(actor=SERVICE)
    status, problem = send(anybody, evidence)
    assert (status, problem["type"]) == (409, "/problems/checkpoint-handed-over")


def test_anybody_sees_from_where_a_log_goes_on(anybody: Client, stage: Cast) -> None:
    assert anybody.get(HAND_OVER).status_code == 404
    size = grow().size
    assert anybody.get(HAND_OVER).status_code == 404
    evidence = cosigned(grow())
    restore(size)
    send(anybody, evidence)
    services.hand_over(actor=SERVICE)
    grow(3)
    found = anybody.get(HAND_OVER).json()
    assert found["checkpoint"] == newest().note
    entry = found["entry"]
    assert (entry["action"], entry["target"]["id"]) == ("log.handed_over", f"{ORIGIN}/epoch-2")
    assert (entry["controller"], entry["subject"]) == (None, None)
    assert parsed_note(evidence).text in [parsed_note(note).text for note in entry["details"]["checkpoints"]]
    hashes = [base64.b64decode(part) for part in found["hashes"]]
    leaf = offline.leaf_hash(offline.canonical(entry))
    assert offline.root_of_inclusion(leaf, 0, newest().size, hashes) == bytes(newest().root)
    assert Entry.objects.get(id=entry["id"]).action == "log.handed_over"
