"""The console opens after a second factor alone, where it is not a trial."""

import re

import pytest
from allauth.mfa.models import Authenticator
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from identity_privacy.access.models import AuthenticatorSecret, User
from identity_privacy.audit.models import Entry
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.terms import KeyKind
from tests.cast import ALICE_EMAIL, Cast
from tests.portal.door import signed_in
from tests.portal.test_security import app_code
from tests.staff import PASS_PHRASE, at_work, hire

DOOR = {"username": "Dana", "password": PASS_PHRASE, "next": "/console/"}


@pytest.fixture(autouse=True)
def required(settings: Settings) -> None:
    settings.STAFF_SECOND_FACTOR = True


def by_password(host: str = "localhost") -> Client:
    browser = Client(headers={"host": host})
    browser.post("/console/login/", DOOR)
    return browser


def set_up(browser: Client) -> str:
    page = browser.get("/console/second-factor/").text
    found = re.search(r"<code>([A-Z2-7]{32})</code>", page)
    assert found
    answer = browser.post("/console/second-factor/", {"code": app_code(found.group(1))})
    assert answer["Location"] == "/console/recovery-codes/"
    return found.group(1)


def test_a_password_alone_leads_to_setting_up_an_app_and_no_further(stage: Cast, dana: User) -> None:
    browser = by_password()

    assert browser.get("/console/", follow=True).redirect_chain[-1][0] == "/console/second-factor/"
    for page in ("/console/dsar/subjectrequest/", "/console/audit/entry/", "/console/recovery-codes/"):
        assert browser.get(page).status_code == 302
    assert browser.get("/api/v1/requests/").status_code == 404


def test_the_app_that_was_set_up_opens_the_console_and_is_asked_for_from_then_on(stage: Cast, dana: User) -> None:
    browser = by_password()
    secret = set_up(browser)
    codes = re.findall(r"<code>(\d{8})</code>", browser.get("/console/recovery-codes/").text)
    assert len(codes) == 10
    assert browser.get("/console/").status_code == 200

    again = Client(headers={"host": "localhost"})
    assert again.post("/console/login/", DOOR)["Location"] == "/sign-in/app/"
    assert again.get("/console/").status_code == 302
    assert again.post("/sign-in/app/", {"code": app_code(secret, after=1)})["Location"] == "/console/"
    assert again.get("/console/").status_code == 200
    assert again.get("/api/v1/requests/").status_code == 200


def test_whoever_has_an_app_sets_up_no_other_by_the_password(stage: Cast, dana: User) -> None:
    set_up(by_password())
    thief = by_password()

    assert thief.get("/console/second-factor/").status_code == 302
    assert Authenticator.objects.filter(user=dana, type=Authenticator.Type.TOTP).count() == 1


def test_who_was_half_in_before_the_app_was_set_up_stays_out(stage: Cast, dana: User) -> None:
    thief, own = by_password(), by_password()
    set_up(own)

    for page in ("/console/second-factor/", "/console/", "/console/recovery-codes/"):
        assert thief.get(page).status_code == 302
    assert thief.get("/console/", follow=True).redirect_chain[-1][0].startswith("/console/login/")
    assert own.get("/console/").status_code == 200
    assert Entry.objects.filter(action="staff.second_factor_set").count() == 1


def test_it_works_at_a_console_that_is_no_controllers(stage: Cast, dana: User) -> None:
    browser = by_password("console.example")
    set_up(browser)
    again = Client(headers={"host": "console.example"})
    again.post("/console/login/", DOOR)

    assert again.get("/sign-in/app/").status_code == 200
    assert browser.get("/console/").status_code == 200


def test_the_secret_is_sealed_under_a_key_of_their_own(stage: Cast, dana: User) -> None:
    secret = set_up(by_password())

    assert secret not in str([*Authenticator.objects.values(), *Entry.objects.values()])
    keys = set(AuthenticatorSecret.objects.filter(user=dana).values_list("data_key_id", flat=True))
    assert set(DataKey.objects.filter(kind=KeyKind.STAFF, owner_id=dana.id).values_list("id", flat=True)) == keys


def test_who_comes_and_who_is_refused_is_in_the_log(stage: Cast, dana: User) -> None:
    browser = Client(headers={"host": "localhost"})
    browser.post("/console/login/", {**DOOR, "password": "another phrase"})
    browser.post("/console/login/", {**DOOR, "username": "somebody@example.org"})
    set_up(by_password())

    entries = Entry.objects.filter(action__startswith="staff.").order_by("id")
    assert [(entry.action, entry.target_id) for entry in entries] == [
        ("staff.refused", str(dana.id)),
        ("staff.refused", "unknown"),
        ("staff.signed_in", str(dana.id)),
        ("staff.second_factor_set", str(dana.id)),
    ]
    assert "somebody@example.org" not in str(entries.values())


def test_who_has_lost_the_app_is_let_set_up_another_by_an_operator(
    stage: Cast, dana: User, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = by_password()
    set_up(browser)
    call_command("staff", "reset", "Dana")

    assert "sets up a second factor at the next sign-in" in capsys.readouterr().out
    assert browser.get("/console/").status_code == 302
    assert not AuthenticatorSecret.objects.filter(user=dana).exists()
    assert by_password().get("/console/second-factor/").status_code == 200


def test_a_person_has_nothing_to_do_with_it(stage: Cast) -> None:
    alice = signed_in(ALICE_EMAIL)

    assert alice.get("/console/second-factor/")["Location"] == "/console/login/"
    assert alice.get("/data/").status_code == 200


def test_a_session_from_before_it_was_required_opens_nothing(stage: Cast) -> None:
    assert at_work(hire("Early", stage.lindwerk)).get("/console/").status_code == 302


def test_production_refuses_a_console_that_opens_by_a_password_alone(settings: Settings) -> None:
    settings.PRODUCTION, settings.STAFF_SECOND_FACTOR = True, False

    assert "access.E002" in {one.id for one in run_checks()}
