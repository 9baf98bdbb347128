"""An operator takes in a controller and says who works for it, by commands that name what is wrong."""

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from identity_privacy.access.models import Controller, User
from identity_privacy.access.roles import roles_of
from identity_privacy.access.services import add_staff, give_role
from identity_privacy.access.terms import Role
from identity_privacy.audit.models import Entry
from identity_privacy.errors import Invalid
from tests.factories import SERVICE
from tests.staff import PASS_PHRASE, at_work, hire

BRAND = {
    "name": "Lindwerk",
    "host": "privacy.lindwerk.example",
    "country": "DE",
    "time_zone": "Europe/Berlin",
    "privacy_email": "privacy@lindwerk.example",
}


def open_brand(code: str = "lindwerk", **changed: str) -> None:
    call_command("controller", "open", code, **BRAND | changed)


def staff(act: str, username: str = "Dana", controller: str = "lindwerk", role: str = "dpo") -> None:
    call_command("staff", act, username, controller=controller, role=role)


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAFF_PASSWORD", PASS_PHRASE)


@pytest.mark.django_db
def test_two_commands_open_a_controller_with_its_dpo(password: None, capsys: pytest.CaptureFixture[str]) -> None:
    open_brand()
    assert "next: manage.py staff add NAME --controller lindwerk --role dpo" in capsys.readouterr().out
    staff("add")
    assert capsys.readouterr().out == "Dana is now for lindwerk: dpo\n"
    browser = Client(headers={"host": BRAND["host"]})
    browser.post("/console/login/", {"username": "Dana", "password": PASS_PHRASE})
    assert browser.get("/console/").status_code == 200
    call_command("controller", "list")
    assert capsys.readouterr().out == "lindwerk\tprivacy.lindwerk.example\tDE\tLindwerk\n"


@pytest.mark.django_db
def test_a_role_given_or_taken_holds_from_the_next_page_and_is_in_the_log(
    password: None, capsys: pytest.CaptureFixture[str]
) -> None:
    open_brand()
    staff("add", role="support_agent")
    dana, lindwerk = User.objects.get(username="Dana"), Controller.objects.get()
    browser = at_work(dana, BRAND["host"])
    assert browser.get("/console/audit/entry/").status_code == 404
    staff("give", role="auditor")
    assert browser.get("/console/audit/entry/").status_code == 200
    assert list(roles_of(dana, lindwerk)) == [Role.SUPPORT_AGENT, Role.AUDITOR]
    capsys.readouterr()
    call_command("staff", "list")
    assert capsys.readouterr().out == "Dana\tlindwerk\tsupport_agent, auditor\n"
    staff("take", role="auditor")
    assert browser.get("/console/audit/entry/").status_code == 404
    entered = Entry.objects.filter(target_id=str(dana.pk)).order_by("id").values_list("action", "details__role")
    assert list(entered) == [
        ("staff.added", "support_agent"),
        ("role.given", "auditor"),
        ("role.taken", "auditor"),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"code": "lind werk"}, "^code: "),
        ({"country": "Germany"}, "^country: give the two capital letters of ISO 3166, such as DE"),
        ({"country": "de"}, "^country: "),
        ({"host": "https://privacy.lindwerk.example"}, "^host: give the host name alone, in small letters"),
        ({"host": "Privacy.example"}, "^host: "),
        ({"host": "x..example"}, "^host: "),
        ({"host": "x-.example"}, "^host: "),
        ({"name": "Lind\nwerk"}, "^name: give it in one line"),
        ({"time_zone": "Berlin"}, "^time_zone: no such time zone; give an IANA name such as Europe/Berlin"),
        ({"privacy_email": "nobody"}, "^privacy_email: "),
        ({"name": ""}, "^name: "),
    ],
)
def test_what_a_controller_cannot_be_is_named(changed: dict[str, str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        open_brand(**changed)
    assert not Controller.objects.exists()


@pytest.mark.django_db
def test_a_controller_or_a_host_name_is_taken_once() -> None:
    open_brand()
    with pytest.raises(CommandError, match=r"^code: .*exists"):
        open_brand(host="other.example")
    with pytest.raises(CommandError, match=r"^host: .*exists"):
        open_brand("other")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("act", "given", "words"),
    [
        ("add", {"controller": "nobody"}, "no controller nobody; there is: lindwerk"),
        ("add", {"username": "Sam"}, "username: somebody has this name already"),
        ("give", {"username": "Tom"}, "no member of staff Tom; `staff list` shows all"),
        ("give", {"username": "Sam"}, "This is so already"),
        ("take", {"username": "Sam", "role": "auditor"}, "This is so already"),
        ("add", {"username": ""}, "username: give letters, digits and .@"),
        ("add", {"username": "Dana\n"}, "username: give letters"),
        ("add", {"username": "D" * 151}, "username: give letters"),
        ("add", {"username": "\uff24\uff21\uff2e\uff21"}, "username: give letters"),
        ("add", {"username": "sam"}, "username: somebody has this name already"),
        ("add", {"username": "x@subject.invalid"}, "username: somebody has this name already"),
        ("add", {"role": "api_reader"}, "invalid choice: 'api_reader'"),
        ("give", {"username": "Sam", "role": "boss"}, "invalid choice: 'boss'"),
    ],
)
def test_what_cannot_be_done_with_staff_is_named(password: None, act: str, given: dict[str, str], words: str) -> None:
    open_brand()
    staff("add", "Sam")
    with pytest.raises(CommandError, match=words):
        staff(act, **given)


@pytest.mark.django_db
def test_a_password_is_typed_twice_and_an_easy_one_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    open_brand()
    typed = iter([PASS_PHRASE, "another", "password1234", "password1234"])
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(typed))
    with pytest.raises(CommandError, match="nobody was added: the two passwords differ"):
        staff("add")
    with pytest.raises(CommandError, match=r"^password: "):
        staff("add")
    assert not User.objects.exists()


@pytest.mark.django_db
def test_a_role_of_programs_is_given_to_nobody() -> None:
    open_brand()
    lindwerk = Controller.objects.get()
    with pytest.raises(Invalid, match="this role is for programs"):
        add_staff(actor=SERVICE, controller=lindwerk, username="Dana", password=PASS_PHRASE, role=Role.API_READER)
    with pytest.raises(Invalid, match="this role is for programs"):
        give_role(actor=SERVICE, user=hire("Sam", lindwerk), controller=lindwerk, role=Role.API_READER)
