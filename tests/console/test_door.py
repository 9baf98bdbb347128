"""Who comes into the console."""

from django.contrib.auth.models import Permission
from django.test import Client

from dsar.models import SubjectRequest
from identity_privacy.access.models import User
from identity_privacy.access.services import take_role
from identity_privacy.access.terms import Role
from tests.cast import Cast
from tests.console.pages import page_of
from tests.factories import SERVICE
from tests.staff import PASS_PHRASE, at_work, hire


def test_a_member_of_staff_signs_in_by_name_and_pass_phrase(stage: Cast, dana: User) -> None:
    browser = Client(headers={"host": "localhost"})
    answer = browser.post("/console/login/", {"username": "Dana", "password": PASS_PHRASE, "next": "/console/"})
    assert answer.headers["Location"] == "/console/"
    assert browser.get("/console/").status_code == 200


def test_a_wrong_pass_phrase_says_so_and_lets_nobody_in(stage: Cast, dana: User) -> None:
    browser = Client(headers={"host": "localhost"})
    answer = browser.post("/console/login/", {"username": "Dana", "password": "another phrase"})
    assert "There is a problem" in answer.text
    assert browser.get("/console/").status_code == 302


def test_a_stranger_is_led_to_the_sign_in(stage: Cast) -> None:
    answer = Client(headers={"host": "localhost"}).get("/console/dsar/subjectrequest/")
    assert answer.headers["Location"] == "/console/login/?next=/console/dsar/subjectrequest/"


def test_a_customer_who_has_signed_in_does_not_come_in(stage: Cast) -> None:
    alice = User.objects.for_subject(stage.lindwerk, stage.alice)
    assert at_work(alice).get("/console/").status_code == 302


def test_staff_without_a_controller_does_not_come_in(stage: Cast) -> None:
    assert at_work(hire("Nobody")).get("/console/").status_code == 302


def test_whoever_lost_the_permission_is_out_at_the_next_page(browser: Client, stage: Cast, dana: User) -> None:
    take_role(actor=SERVICE, user=dana, controller=stage.lindwerk, role=Role.DPO)
    assert browser.get("/console/").status_code == 302


def test_a_permission_on_all_controllers_or_a_superusers_flag_opens_none(stage: Cast) -> None:
    broad = hire("Broad")
    broad.user_permissions.add(Permission.objects.get(codename="work_console"))
    User.objects.filter(pk=broad.pk).update(is_superuser=True)
    assert at_work(broad).get("/console/").status_code == 302


def test_dana_is_nobody_under_the_host_name_of_another_controller(stage: Cast, dana: User) -> None:
    assert at_work(dana, host=stage.otherwerk.host).get("/console/").status_code == 302


def test_of_djangos_own_pages_only_sign_in_and_out_exist(browser: Client) -> None:
    for path in ("password_change/", "jsi18n/", "autocomplete/", "auth/group/", "dsar/", "dsar/subjectrequest/add/"):
        assert browser.get(f"/console/{path}").status_code == 404, path


def test_the_console_speaks_one_language_whatever_the_browser_asks_for(
    browser: Client, stage: Cast, erasure: SubjectRequest
) -> None:
    for path in ("/console/", "/console/dsar/subjectrequest/", page_of(erasure)):
        page = browser.get(path, headers={"accept-language": "de"}).text
        assert '<html lang="en"' in page
        assert "Queue" in page
        assert "Warteschlange" not in page
    answer = Client(headers={"host": "localhost", "accept-language": "de"}).get("/console/login/")
    assert '<html lang="en"' in answer.text
