"""Signing in by a code: once, in time, in few tries, and without telling who is known."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.sessions.models import Session

from identity_privacy.access.errors import CodeNotAccepted
from identity_privacy.access.models import SignInCode, User
from identity_privacy.access.services import MAX_LIVE_CODES, request_sign_in_code, sign_in_with_code
from identity_privacy.access.stores import SignInStore
from identity_privacy.audit.models import Entry
from identity_privacy.clock import machine_now
from tests.cast import ALICE_EMAIL, OTHER_HOST, Cast
from tests.portal.door import code_sent, codes_sent, signed_in, stranger

WRONG = "not the code"


def test_the_code_from_the_mail_opens_the_portal(cast: Cast) -> None:
    client = signed_in(ALICE_EMAIL)

    assert client.get("/data/").status_code == 200
    assert User.objects.get().subject_id == cast.alice


def test_the_address_may_be_typed_in_any_case(cast: Cast) -> None:
    client = signed_in("  Alice.Brandt@EXAMPLE.org ")

    assert client.get("/data/").status_code == 200


def test_known_and_unknown_addresses_get_the_same_answer(cast: Cast) -> None:
    answers = []
    for email in (ALICE_EMAIL, "nobody@example.org"):
        client = stranger()
        first = client.post("/sign-in/", {"email": email})
        page = client.get("/sign-in/code/")
        wrong = client.post("/sign-in/code/", {"code": "000000" if code_sent() != "000000" else "111111"})
        masked = [_without_tokens(response.content) for response in (page, wrong)]
        answers.append((first.status_code, first["Location"], *masked))

    assert answers[0] == answers[1]


def test_an_unknown_address_is_sent_nothing_and_no_code_opens_its_decoy(cast: Cast) -> None:
    decoy = request_sign_in_code(controller=cast.lindwerk, email="nobody@example.org")

    assert codes_sent() == 0
    assert decoy.subject_id is None
    with pytest.raises(CodeNotAccepted):
        sign_in_with_code(code_id=decoy.id, code="123456")


def test_another_controllers_customer_is_unknown_here(cast: Cast) -> None:
    row = request_sign_in_code(controller=cast.otherwerk, email=ALICE_EMAIL)

    assert row.subject_id is None


def test_a_session_of_one_controller_is_nobodys_at_another(cast: Cast) -> None:
    client = signed_in(ALICE_EMAIL)

    assert client.get("/data/", headers={"host": OTHER_HOST}).status_code == 302


def test_a_code_works_once(cast: Cast) -> None:
    row = request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
    sign_in_with_code(code_id=row.id, code=code_sent())

    with pytest.raises(CodeNotAccepted):
        sign_in_with_code(code_id=row.id, code=code_sent())


def test_a_code_works_for_ten_minutes(cast: Cast) -> None:
    row = request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)

    with time_machine.travel(machine_now() + timedelta(minutes=10, seconds=1)), pytest.raises(CodeNotAccepted):
        sign_in_with_code(code_id=row.id, code=code_sent())


def test_after_five_wrong_tries_the_right_code_opens_nothing(cast: Cast) -> None:
    row = request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
    for _ in range(5):
        with pytest.raises(CodeNotAccepted):
            sign_in_with_code(code_id=row.id, code=WRONG)

    with pytest.raises(CodeNotAccepted):
        sign_in_with_code(code_id=row.id, code=code_sent())


def test_every_try_is_on_record(cast: Cast) -> None:
    row = request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
    with pytest.raises(CodeNotAccepted):
        sign_in_with_code(code_id=row.id, code=WRONG)
    sign_in_with_code(code_id=row.id, code=code_sent())

    actions = Entry.objects.filter(action__startswith="sign_in.").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["sign_in.code_requested", "sign_in.failed", "sign_in.succeeded"]


def test_a_stranger_cannot_flood_a_mailbox(cast: Cast) -> None:
    for _ in range(MAX_LIVE_CODES + 3):
        request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)

    assert codes_sent() == MAX_LIVE_CODES


def test_a_session_key_from_before_the_sign_in_is_worth_nothing_after_it(cast: Cast) -> None:
    client = stranger()
    client.post("/sign-in/", {"email": ALICE_EMAIL})
    planted = client.session.session_key
    client.post("/sign-in/code/", {"code": code_sent()})

    assert client.session.session_key != planted
    assert not Session.objects.filter(session_key=planted).exists()


def test_no_row_holds_the_address_or_the_code(cast: Cast) -> None:
    signed_in(ALICE_EMAIL)

    code = code_sent()
    rows = [str(session.get_decoded()) for session in Session.objects.all()]
    rows += [str(row) for table in (SignInCode, User) for row in table.objects.values()]
    assert not [row for row in rows if ALICE_EMAIL in row or code in row]


def test_a_mistyped_address_is_kept_and_explained(cast: Cast) -> None:
    page = stranger().post("/sign-in/", {"email": "alice.brandt"}).content.decode()

    assert "<title>Error: Sign in" in page
    assert 'value="alice.brandt"' in page
    assert page.count("Enter an e-mail address with an @, like name@example.org") == 2


def test_signing_out_ends_the_session(cast: Cast) -> None:
    client = signed_in(ALICE_EMAIL)
    client.post("/sign-out/")

    assert client.get("/data/").status_code == 302


def test_after_an_erasure_nobody_signs_in_as_them(cast: Cast) -> None:
    client = signed_in(ALICE_EMAIL)
    row = request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
    code = code_sent()
    SignInStore().erase(cast.alice)

    assert client.get("/data/").status_code == 302
    assert not any(SignInStore().remaining(cast.alice).values())
    with pytest.raises(CodeNotAccepted):
        sign_in_with_code(code_id=row.id, code=code)


def _without_tokens(page: bytes) -> list[str]:
    return [line for line in page.decode().splitlines() if "csrfmiddlewaretoken" not in line]
