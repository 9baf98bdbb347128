"""Signing in by a code: once, in time, in few tries, and without telling who is known."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.db import connections
from django.test.utils import CaptureQueriesContext

from identity_privacy.access.errors import CodeNotAccepted
from identity_privacy.access.models import Session, SignInCode, SignInTally, User
from identity_privacy.access.services.codes import (
    MAX_FAILURES_A_DAY,
    MAX_LIVE_CODES,
    accept_code,
    forget_codes,
    request_sign_in_code,
)
from identity_privacy.access.stores import SignInStore
from identity_privacy.actors import Actor
from identity_privacy.audit.models import Entry
from identity_privacy.celery import app
from identity_privacy.clock import machine_now
from identity_privacy.crypto.keys import controller_secrets_key
from identity_privacy.crypto.reading import Reading
from identity_privacy.delivery.models import Message
from identity_privacy.delivery.services import deliver_due
from tests.cast import ALICE_EMAIL, BOB_EMAIL, OTHER_HOST, Cast, enter
from tests.portal.door import code_sent, codes_sent, signed_in, stranger

WRONG = "not the code"
NOBODY = "nobody@example.org"


def test_the_code_from_the_mail_opens_the_portal(cast: Cast) -> None:
    client = signed_in(ALICE_EMAIL)

    assert client.get("/data/").status_code == 200
    assert User.objects.get().subject_id == cast.alice


def test_the_address_may_be_typed_in_any_case(cast: Cast) -> None:
    client = signed_in("  Alice.Brandt@EXAMPLE.org ")

    assert client.get("/data/").status_code == 200


def test_known_and_unknown_addresses_get_the_same_answer(cast: Cast) -> None:
    answers = []
    for email in (ALICE_EMAIL, NOBODY):
        client = stranger()
        first = client.post("/sign-in/", {"email": email})
        page = client.get("/sign-in/code/")
        wrong = client.post("/sign-in/code/", {"code": "000000" if code_sent() != "000000" else "111111"})
        masked = [_without_tokens(response.content) for response in (page, wrong)]
        answers.append((first.status_code, first["Location"], *masked))

    assert answers[0] == answers[1]


def test_an_unknown_address_is_sent_nothing_and_no_code_opens_its_decoy(cast: Cast) -> None:
    decoy = request_sign_in_code(controller=cast.lindwerk, email=NOBODY)
    deliver_due()

    assert mail.outbox == []
    assert decoy.subject_id is None
    with pytest.raises(CodeNotAccepted):
        accept_code(code_id=decoy.id, code="123456")


def test_another_controllers_customer_is_unknown_here(cast: Cast) -> None:
    row = request_sign_in_code(controller=cast.otherwerk, email=ALICE_EMAIL)

    assert row.subject_id is None


def test_a_session_of_one_controller_is_nobodys_at_another(cast: Cast) -> None:
    client = signed_in(ALICE_EMAIL)

    assert client.get("/data/", headers={"host": OTHER_HOST}).status_code == 302


def test_a_code_works_once(cast: Cast) -> None:
    row = request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
    accept_code(code_id=row.id, code=code_sent())

    with pytest.raises(CodeNotAccepted):
        accept_code(code_id=row.id, code=code_sent())


def test_a_code_works_for_ten_minutes(cast: Cast) -> None:
    row = request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)

    with time_machine.travel(machine_now() + timedelta(minutes=10, seconds=1)), pytest.raises(CodeNotAccepted):
        accept_code(code_id=row.id, code=code_sent())


def test_after_five_wrong_tries_the_right_code_opens_nothing(cast: Cast) -> None:
    row = request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
    for _ in range(5):
        with pytest.raises(CodeNotAccepted):
            accept_code(code_id=row.id, code=WRONG)

    with pytest.raises(CodeNotAccepted):
        accept_code(code_id=row.id, code=code_sent())


def test_every_try_is_on_record(cast: Cast) -> None:
    row = request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
    with pytest.raises(CodeNotAccepted):
        accept_code(code_id=row.id, code=WRONG)
    accept_code(code_id=row.id, code=code_sent())

    actions = Entry.objects.filter(action__startswith="sign_in.").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["sign_in.code_requested", "sign_in.failed", "sign_in.code_accepted"]


# --- Known and unknown cost the same ------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("asked_before", [0, 1, MAX_LIVE_CODES])
def test_known_and_unknown_addresses_are_the_same_work(asked_before: int, woken: list[str]) -> None:
    cast = enter()
    controller_secrets_key(cast.lindwerk.id)
    work = []
    for email in (ALICE_EMAIL, NOBODY):
        for _ in range(asked_before):
            request_sign_in_code(controller=cast.lindwerk, email=email)
        woken.clear()
        with (
            CaptureQueriesContext(connections["default"]) as data,
            CaptureQueriesContext(connections["keys"]) as keys,
        ):
            row = request_sign_in_code(controller=cast.lindwerk, email=email)
        asking = (_kinds(data), _kinds(keys), list(woken))
        with CaptureQueriesContext(connections["default"]) as trying, pytest.raises(CodeNotAccepted):
            accept_code(code_id=row.id, code=WRONG)
        work.append((*asking, _kinds(trying)))

    assert work[0] == work[1]
    assert work[0][2] == ["delivery.deliver"]


def test_no_mail_leaves_for_an_unknown_address_and_its_spelling_is_not_kept(cast: Cast) -> None:
    request_sign_in_code(controller=cast.lindwerk, email=NOBODY)
    deliver_due()

    assert mail.outbox == []
    message = Message.objects.get()
    assert message.attempts.get().outcome == "dropped"
    with Reading(actor=Actor.service("test"), purpose="read the mail", subject_id=None, reason="test"):
        assert NOBODY not in str(message.body)


# --- What a stranger can do in somebody's name --------------------------------------------------------


def test_a_stranger_cannot_flood_a_mailbox(cast: Cast) -> None:
    for _ in range(MAX_LIVE_CODES + 3):
        request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
    deliver_due()

    assert len(mail.outbox) == MAX_LIVE_CODES


@pytest.mark.only_on("postgresql")
@pytest.mark.django_db(transaction=True)
def test_nor_by_asking_many_times_at_once() -> None:
    cast = enter()

    def ask(_: int) -> None:
        try:
            request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as strangers:
        list(strangers.map(ask, range(16)))

    assert codes_sent() == MAX_LIVE_CODES


@pytest.mark.only_on("postgresql")
@pytest.mark.django_db(transaction=True)
def test_nor_guess_more_often_by_trying_many_at_once() -> None:
    cast = enter()
    row = request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)

    def guess(_: int) -> None:
        try:
            with pytest.raises(CodeNotAccepted):
                accept_code(code_id=row.id, code=WRONG)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as strangers:
        list(strangers.map(guess, range(16)))

    assert (SignInCode.objects.get().attempts, SignInTally.objects.get().failures) == (5, 5)
    assert Entry.objects.filter(action="sign_in.failed").count() == 16


def test_a_stranger_who_asks_in_her_name_does_not_lock_alice_out(cast: Cast) -> None:
    for _ in range(MAX_LIVE_CODES + 3):
        stranger().post("/sign-in/", {"email": ALICE_EMAIL})

    assert signed_in(ALICE_EMAIL).get("/data/").status_code == 200


def test_a_mailed_code_opens_one_browser_of_the_several_that_wait_for_it(cast: Cast) -> None:
    rows = [request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL) for _ in range(MAX_LIVE_CODES + 1)]
    accept_code(code_id=rows[-1].id, code=code_sent())

    with pytest.raises(CodeNotAccepted):
        accept_code(code_id=rows[-2].id, code=code_sent())


def test_a_shared_code_lives_no_longer_than_its_mail_says(cast: Cast) -> None:
    for _ in range(MAX_LIVE_CODES):
        request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
    code = code_sent()
    with time_machine.travel(machine_now() + timedelta(minutes=9)):
        row = request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)

    with time_machine.travel(machine_now() + timedelta(minutes=10, seconds=1)), pytest.raises(CodeNotAccepted):
        accept_code(code_id=row.id, code=code)


def test_after_thirty_wrong_tries_nothing_opens_until_the_day_is_over(cast: Cast) -> None:
    for count in range(MAX_FAILURES_A_DAY):
        if count % 5 == 0:
            row = request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
        with pytest.raises(CodeNotAccepted):
            accept_code(code_id=row.id, code=WRONG)

    row = request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
    with pytest.raises(CodeNotAccepted):
        accept_code(code_id=row.id, code=code_sent())
    assert Entry.objects.filter(action="sign_in.failed").latest("id").reason == "too many wrong codes within a day"
    bob = request_sign_in_code(controller=cast.lindwerk, email=BOB_EMAIL)
    assert accept_code(code_id=bob.id, code=code_sent()).subject_id == cast.bob
    with time_machine.travel(machine_now() + timedelta(days=1, minutes=1)):
        assert signed_in(ALICE_EMAIL).get("/data/").status_code == 200


def test_tries_on_a_code_that_is_over_do_not_bar_alice(cast: Cast) -> None:
    row = request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
    for _ in range(MAX_FAILURES_A_DAY + 5):
        with pytest.raises(CodeNotAccepted):
            accept_code(code_id=row.id, code=WRONG)

    assert signed_in(ALICE_EMAIL).get("/data/").status_code == 200


def test_two_days_after_an_address_was_typed_nothing_is_left_of_it(cast: Cast) -> None:
    request_sign_in_code(controller=cast.lindwerk, email=NOBODY)
    with time_machine.travel(machine_now() + timedelta(days=1, hours=23)):
        assert forget_codes() == 0
        request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
    with time_machine.travel(machine_now() + timedelta(days=2, minutes=1)):
        assert forget_codes() == 1

    assert SignInTally.objects.get().who == cast.alice
    assert SignInCode.objects.get().subject_id == cast.alice


# --- Sessions and rows --------------------------------------------------------------------------------


def test_no_row_holds_the_address_or_the_code(cast: Cast) -> None:
    signed_in(ALICE_EMAIL)

    code = code_sent()
    rows = [str(row) for table in (Session, SignInCode, SignInTally, User) for row in table.objects.values()]
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
        accept_code(code_id=row.id, code=code)


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tasks that workers are woken for."""
    names: list[str] = []

    def send(name: str, **_: object) -> None:
        names.append(name)

    monkeypatch.setattr(app, "send_task", send)
    return names


def _kinds(queries: CaptureQueriesContext) -> list[str]:
    """What each statement does to which table."""
    return [" ".join(re.findall(r'^\w+|(?:FROM|INTO|UPDATE) "\w+"', query["sql"])) for query in queries]


def _without_tokens(page: bytes) -> list[str]:
    return [line for line in page.decode().splitlines() if "csrfmiddlewaretoken" not in line]
