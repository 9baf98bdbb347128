"""Whatever is done for a person, no value of theirs is told to the audit log, a log line or a column in clear."""

import base64
import hashlib
import logging

import pytest

from consent.services import answer_all
from dsar.models import SubjectRequest
from dsar.services import answer_due, carry_out, fulfil_due, recheck_due, submit_request
from dsar.terms import Channel, RequestKind
from identity_privacy.actors import Actor
from identity_privacy.audit.models import Entry
from identity_privacy.audit.services import record, sequence
from identity_privacy.delivery.models import Message
from identity_privacy.delivery.services import deliver_due
from tests.cast import Cast
from tests.delivery.world import Receiver, Reply
from tests.dsar.world import again, everything_in_clear, report, result_of, task_of
from tests.factories import SERVICE, make_person, make_request

# One marker for every field, none of them a word that we use ourselves, nor one that a key in base64 holds by chance.
MARKERS = {
    "email": "zxqvjemail@zxqvjdomain.example",
    "given_name": "Zxqvjgiven",
    "surname": "Zxqvjsurname",
    "date_of_birth": "1911-11-11",
    "address": "Zxqvjstreet 99, 99999 Zxqvjtown",
    "social_security_number": "990088776655",
    "shop": "shop-Zxqvjgiven",
    "contact": "zxqvjcontact@zxqvjdomain.example",
    "answer": "Zxqvjanswer",
}
PIECES = [*MARKERS.values(), "zxqvj", "Zxqvj"]


def hashes_of(*texts: bytes) -> list[str]:
    """What a plain hash of each would look like: whoever guesses the text recognises it."""
    digests = [hash_of(text).digest() for text in texts for hash_of in (hashlib.sha256, hashlib.sha1, hashlib.md5)]
    return [form for one in digests for form in (one.hex(), base64.b64encode(one).decode().rstrip("="))]


def test_no_verb_tells_a_value(
    live_cast: Cast, receiver: Receiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    cast = live_cast
    person = make_person(
        cast.lindwerk,
        email=MARKERS["email"],
        given_name=MARKERS["given_name"],
        surname=MARKERS["surname"],
        more={name: MARKERS[name] for name in ("date_of_birth", "address", "social_security_number")},
        systems=[cast.shop, cast.mailer],
    )
    herself = Actor.subject(person)
    for is_yes in (True, False):
        answer_all(actor=herself, controller=cast.lindwerk, subject_id=person, locale="en", is_yes=is_yes)
    submit_request(
        actor=herself,
        controller=cast.lindwerk,
        subject_id=person,
        kind=RequestKind.ACCESS,
        channel=Channel.PORTAL,
        contact_email=MARKERS["contact"],
    )
    copy = make_request(cast.lindwerk, person, RequestKind.ACCESS)
    fulfil_due()
    bodies = []
    # What a system answers may hold anything, also where it was not asked for.
    receiver.replies[:] = [Reply(status=200, body=f'{{"error": "{MARKERS["answer"]} {MARKERS["email"]}"}}'.encode())]
    deliver_due()
    for code in ("shop", "mailer"):
        data = {MARKERS["answer"]: [{MARKERS["surname"]: MARKERS["address"]}]}
        bodies.append(result_of(task_of(copy, code), data=data))
        report(task_of(copy, code), data=data)
    answer_due()
    assert again(copy).package_name
    erasure = make_request(cast.lindwerk, person, RequestKind.ERASURE)
    carry_out(request_id=erasure.id)
    receiver.replies[:] = [Reply(status=410, body=MARKERS["answer"].encode())]
    deliver_due()
    for code in ("shop", "mailer"):
        counts, reason = {"orders": 2}, f"We know {MARKERS['surname']} well"
        bodies.append(result_of(task_of(erasure, code), counts=counts, reason=reason))
        report(task_of(erasure, code), counts=counts, reason=reason)
    answer_due()
    SubjectRequest.objects.filter(id=erasure.id).update(recheck_on="2026-01-01")
    recheck_due()
    for code in ("shop", "mailer"):
        report(task_of(erasure, code), counts={"found": 1}, recheck=True)
    answer_due()
    sequence()
    assert again(copy).forgotten_at
    assert again(erasure).closed_at
    assert Message.objects.filter(topic="mail.request_answered").exists()

    entries = repr(list(Entry.objects.values()))
    told = capfd.readouterr()
    places = {
        "the audit log": entries,
        "the log": caplog.text,
        "output": told.out + told.err,
        "a column in clear": everything_in_clear(),
    }
    pieces = [*PIECES, *hashes_of(*bodies, *(value.encode() for value in MARKERS.values()))]
    found = {place: [piece for piece in pieces if piece in text] for place, text in places.items()}
    assert {place: pieces for place, pieces in found.items() if pieces} == {}
    assert len(Entry.objects.values_list("action").distinct()) >= 20, "many verbs were driven"


def test_the_search_would_find_a_value_that_was_told(cast: Cast) -> None:
    record(actor=SERVICE, action="test", target=("test", MARKERS["given_name"]), controller_id=None)
    assert MARKERS["given_name"] in everything_in_clear()
