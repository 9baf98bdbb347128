"""The page of permissions is true: every address, every role, one's own controller and another."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import SESSION_KEY
from django.db import transaction
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from consent.models import Purpose
from dsar.models import SubjectRequest, Task
from dsar.services import answer_due, carry_out
from dsar.terms import Outcome, RequestKind, TaskState
from identity_privacy.access.models import BarredAccount, User
from identity_privacy.access.roles import group_of, renew_roles
from identity_privacy.access.sessions import SessionStore
from identity_privacy.access.terms import PERMISSIONS, Permission, Role
from identity_privacy.audit.models import Entry
from identity_privacy.audit.services import sequence
from identity_privacy.clock import now
from identity_privacy.delivery.models import Message, System
from identity_privacy.delivery.terms import MessageState
from profiles.models import Profile
from tests import cast
from tests.audit.epochs import open_next_epoch
from tests.cast import ALICE_EMAIL, BOB_EMAIL, CHARLIE_EMAIL, OTHER_HOST, Cast
from tests.factories import make_request
from tests.openid import PROVIDER_ID, OpenId
from tests.passkeys import add_passkey
from tests.portal.door import signed_in, stranger
from tests.programs import make_program, program, token_for, with_token
from tests.staff import at_work, hire

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "permissions.md").read_text(encoding="utf-8")
ROLES: Final = (Role.DPO, Role.PRIVACY_ANALYST, Role.SUPPORT_AGENT, Role.AUDITOR)
# Under a host name that is no controller's, all of one's controllers are in reach, and nobody else's.
NOBODYS_HOST: Final = "console.example"
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
# Both doors, their own addresses, which lead to one another, and the ways out.
DOORS: Final = (
    "/console/login/",
    "/console/logout/",
    "/sign-in/",
    "/sign-in/app/",
    "/sign-in/code/",
    "/sign-in/passkey/",
    "/sign-in/with/<slug:provider_id>/",
    "/sign-in/with/<slug:provider_id>/callback/",
    "/sign-out/",
)


def table(head: str) -> list[Sequence[str]]:
    rows = PAGE.partition(f"\n| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in row.strip()[1:-1].split("|")] for row in rows]


@dataclass(frozen=True, slots=True)
class Row:
    """One address under one method, and what each column comes to."""

    address: str
    method: str
    cells: Sequence[str]

    def __str__(self) -> str:
        return f"{self.method} {self.address}"

    @property
    def is_of_something(self) -> bool:
        """Whether the address names one thing, which has one owner."""
        return "<" in self.address and not re.search(r"<slug:(kind|code)>", self.address)


ROWS = [Row(address, method, cells) for address, method, *cells in table("address")]


def some_at_once(rows: Sequence[Row]) -> pytest.MarkDecorator:
    """A dozen rows for each test, since making the world behind them is what takes the time."""
    dozens = [rows[first : first + 12] for first in range(0, len(rows), 12)]
    return pytest.mark.parametrize("rows", dozens, ids=[f"from {dozen[0]}" for dozen in dozens])


def apart(rows: Sequence[Row]) -> Iterator[Row]:
    """Each row with browsers of its own: whoever is made for one is gone before the next."""
    for row in rows:
        with transaction.atomic():
            yield row
            transaction.set_rollback(True)


@dataclass(frozen=True, slots=True)
class World:
    """Something of Lindwerk's and of Alice's behind every address."""

    cast: Cast
    paths: Mapping[str, str]
    forms: Mapping[str, Mapping[str, str]]

    def ask(self, browser: Client, row: Row) -> HttpResponseBase:
        """The answer; whatever it changed is as it was afterwards."""
        path = self.paths.get(row.address, row.address)
        with transaction.atomic():
            answer = self._answer(browser, row, path)
            if hasattr(answer, "streaming_content"):
                b"".join(answer.streaming_content)
            transaction.set_rollback(True)
        return answer

    def _answer(self, browser: Client, row: Row, path: str) -> HttpResponseBase:
        if row.method == "POST" and (str(row) in self.forms or not row.address.startswith("/api/")):
            return browser.post(path, self.forms.get(str(row), {}))
        return browser.generic(row.method, path, content_type="application/json")


@pytest.fixture
def world(db: None, settings: Settings, tmp_path: Path) -> World:
    settings.ALLOW_LOOPBACK_PARTNERS = True
    settings.SIGN_IN_PROVIDERS = OpenId(issuer="http://localhost:9").configured(tmp_path)  # nobody is there
    stage = cast.enter()
    copy = make_request(stage.lindwerk, stage.alice, RequestKind.ACCESS)
    carry_out(request_id=copy.pk)
    copy.tasks.exclude(system_id=None).update(
        state=TaskState.REPORTED, outcome=Outcome.NOTHING_FOUND, reported_at=now()
    )
    answer_due()
    answered = SubjectRequest.objects.get(pk=copy.pk)
    answered.certificate = {"kind": "test"}
    answered.save()
    asked = make_request(stage.lindwerk, stage.alice, RequestKind.ACCESS)
    carry_out(request_id=asked.pk)
    message = Message.objects.filter(system=stage.mailer).latest("id")
    Message.objects.filter(pk=message.pk).update(state=MessageState.DEAD, dead_at=now(), last_error="refused")
    sequence()
    open_next_epoch()
    sequence()
    entry = Entry.objects.get(action="request.accepted", target_id=str(answered.pk))
    kept, open_one = f"/requests/{answered.reference}/", f"/requests/{asked.reference}/"
    return World(
        cast=stage,
        paths={
            "/console/dsar/subjectrequest/<uuid:object_id>/": f"/console/dsar/subjectrequest/{answered.pk}/",
            "/console/delivery/system/<uuid:object_id>/": f"/console/delivery/system/{stage.mailer.pk}/",
            "/console/delivery/message/<uuid:object_id>/": f"/console/delivery/message/{message.pk}/",
            "/console/delivery/message/<uuid:object_id>/send-again/": (
                f"/console/delivery/message/{message.pk}/send-again/"
            ),
            "/console/consent/purpose/<uuid:object_id>/": f"/console/consent/purpose/{stage.newsletter.pk}/",
            "/console/profiles/profile/<uuid:object_id>/": f"/console/profiles/profile/{stage.alice}/",
            "/console/audit/entry/<uuid:object_id>/": f"/console/audit/entry/{entry.pk}/",
            "/api/v1/requests/<slug:reference>/": f"/api/v1/requests/{answered.reference}/",
            "/api/v1/tasks/<uuid:task_id>/result/": f"/api/v1/tasks/{asked.tasks.latest('id').pk}/result/",
            "/api/v1/audit/entries/<uuid:entry_id>/": f"/api/v1/audit/entries/{entry.pk}/",
            "/api/v1/audit/entries/<uuid:entry_id>/proof/": f"/api/v1/audit/entries/{entry.pk}/proof/",
            "/api/v1/audit/consistency/": "/api/v1/audit/consistency/?old=1",
            "/choices/<slug:code>/": "/choices/newsletter/",
            "/requests/new/<slug:kind>/": "/requests/new/erasure/",
            "/requests/new/<slug:kind>/code/": "/requests/new/erasure/code/",
            "/requests/<slug:reference>/": kept,
            "/requests/<slug:reference>/sent/": f"{kept}sent/",
            "/requests/<slug:reference>/withdraw/": f"{open_one}withdraw/",
            "/requests/<slug:reference>/certificate.json": f"{kept}certificate.json",
            "/requests/<slug:reference>/package.zip": f"{kept}package.zip",
            "/security/sessions/<uuid:session_id>/end/": f"/security/sessions/{another_session(stage)}/end/",
            "/security/accounts/<int:account_id>/remove/": f"/security/accounts/{account_of_alice(stage)}/remove/",
            "/security/accounts/<int:barred_id>/let-in/": f"/security/accounts/{barred_of_alice(stage)}/let-in/",
            "/sign-in/with/<slug:provider_id>/": f"/sign-in/with/{PROVIDER_ID}/",
            "/sign-in/with/<slug:provider_id>/signed-out/": f"/sign-in/with/{PROVIDER_ID}/signed-out/",
            "/sign-in/with/<slug:provider_id>/callback/": f"/sign-in/with/{PROVIDER_ID}/callback/",
            "/security/passkeys/<int:pk>/remove/": f"/security/passkeys/{passkey_of_alice()}/remove/",
        },
        forms={
            "POST /choices/<slug:code>/": {"on": "yes"},
            "POST /choices/all/": {"answer": "refuse"},
            "POST /console/delivery/message/send-again/": {"system": "mailer", "cause": "refused"},
            "POST /api/v1/oauth/token/": {"grant_type": "client_credentials", "client_id": "x", "client_secret": "x"},
            "POST /language/": {"language": "de"},
        },
    )


def another_session(stage: Cast) -> UUID | None:
    """Where Alice is signed in besides."""
    session = SessionStore()
    session[SESSION_KEY] = str(User.objects.for_subject(stage.lindwerk, stage.alice).pk)
    session.create()
    return session.row_id


def account_of_alice(stage: Cast) -> int:
    user = User.objects.for_subject(stage.lindwerk, stage.alice)
    return int(SocialAccount.objects.create(user=user, provider=PROVIDER_ID, uid="0" * 64).pk)


def barred_of_alice(stage: Cast) -> int:
    user = User.objects.for_subject(stage.lindwerk, stage.alice)
    return BarredAccount.objects.create(user=user, provider=PROVIDER_ID, uid="1" * 64).pk


def passkey_of_alice() -> int:
    add_passkey(signed_in(ALICE_EMAIL))
    return int(Authenticator.objects.get(type=Authenticator.Type.WEBAUTHN).pk)


def came_to(answer: HttpResponseBase, row: Row) -> str:
    """The word of the page for an answer."""
    if answer.status_code in (400, 401) and row.cells[0] in ("signature", "secret"):
        return row.cells[0]
    if answer.status_code == 401 or (_led_to(answer) in DOORS and row.address not in DOORS):
        return "sign in"
    return "yes" if answer.status_code in (200, 302) else str(answer.status_code)


def browsers(stage: Cast, host: str = "localhost") -> Iterator[Client]:
    """One for each column of the page, whose people belong to the controller at this host name."""
    ours = host == "localhost"
    controller = stage.lindwerk if ours else stage.otherwerk
    for role in ROLES:
        yield at_work(hire(f"{role} at {controller.code}", controller, role=role), host)
    yield signed_in(ALICE_EMAIL if ours else CHARLIE_EMAIL, host=host)
    if ours:
        yield signed_in(BOB_EMAIL)
        yield stranger()
    yield program(controller, host=host)


@some_at_once(ROWS)
def test_each_role_comes_to_what_the_page_says(world: World, rows: Sequence[Row]) -> None:
    for row in apart(rows):
        cells = [came_to(world.ask(browser, row), row) for browser in browsers(world.cast)]
        assert cells == list(row.cells), row


@some_at_once([row for row in ROWS if row.is_of_something and row.cells[0] != "signature"])
def test_what_is_of_another_controller_does_not_exist_in_whatever_role(world: World, rows: Sequence[Row]) -> None:
    for row in apart(rows):
        owner = next(browser for browser, cell in zip(browsers(world.cast), row.cells, strict=True) if cell == "yes")
        assert came_to(world.ask(owner, row), row) == "yes", f"{row}: the owner first, so that it is there to be found"
        elsewhere = [at_work(hire(f"{role} anywhere", world.cast.otherwerk, role=role), NOBODYS_HOST) for role in ROLES]
        if row.address.startswith(("/console/", "/api/")):
            elsewhere.append(program(world.cast.otherwerk, host=NOBODYS_HOST))
        for browser in (*browsers(world.cast, OTHER_HOST), *elsewhere):
            assert came_to(world.ask(browser, row), row) in {"404", "sign in"}, row


def test_staff_of_another_controller_are_nobodies_under_the_host_name_of_this_one(world: World) -> None:
    for role in ROLES:
        browser = at_work(hire(f"{role} elsewhere", world.cast.otherwerk, role=role))
        for row in ROWS:
            if row.address.startswith(("/console/", "/api/")) and row.cells[6] == "sign in":
                assert came_to(world.ask(browser, row), row) in {"404", "sign in"}, row


LISTS = [row for row in ROWS if row.cells[0] == "yes" and row.cells[6] == "sign in" and not row.is_of_something]


@pytest.mark.parametrize("row", [row for row in LISTS if row.method == "GET"], ids=str)
def test_a_list_shows_nothing_of_another_controller(world: World, row: Row) -> None:
    there = world.cast.lindwerk
    marks = [there.name, str(world.cast.alice), str(world.cast.bob)]
    for model in (SubjectRequest, System, Message, Purpose, Profile):
        marks += map(str, model.objects.filter(controller=there).values_list("pk", flat=True))
    marks += map(str, Entry.objects.filter(controller_id=there.pk).values_list("pk", flat=True))
    marks += SubjectRequest.objects.values_list("reference", flat=True)
    marks += map(str, Task.objects.values_list("pk", flat=True))
    own, *_ = browsers(world.cast)
    assert any(mark in _text(world.ask(own, row)) for mark in marks), "its own staff find something there"
    elsewhere = [at_work(hire(f"{role} anywhere", world.cast.otherwerk, role=role), NOBODYS_HOST) for role in ROLES]
    if row.address.startswith("/api/"):
        elsewhere.append(program(world.cast.otherwerk, host=NOBODYS_HOST))
    for browser in (*browsers(world.cast, OTHER_HOST), *elsewhere):
        shown = _text(world.ask(browser, row))
        assert [mark for mark in marks if mark in shown] == []


def test_whoever_may_see_and_not_act_finds_no_button_for_it(world: World) -> None:
    message = world.paths["/console/delivery/message/<uuid:object_id>/"]
    for role, is_there in zip(ROLES, (True, True, False, False), strict=True):
        browser = at_work(hire(f"the {role}", world.cast.lindwerk, role=role))
        assert ("Send again" in browser.get(message).text) is is_there
        log = browser.get("/console/audit/entry/").text
        assert ("Check now" in log) is (Permission.CHECK_LOG in PERMISSIONS[role])
        assert ("Download these entries" in log) is (Permission.EXPORT_LOG in PERMISSIONS[role])


def test_no_page_links_to_one_that_does_not_exist_for_whoever_reads_it(world: World) -> None:
    for role in ROLES:
        browser = at_work(hire(f"a {role}", world.cast.lindwerk, role=role))
        for row in ROWS:
            if row.address.startswith("/console/") and row.method == "GET":
                page = _text(world.ask(browser, row))
                for link in set(re.findall(r'(?:href|action)="(/[^"#]*)"', page)):
                    if not link.startswith("/static/"):
                        assert browser.get(link.replace("&amp;", "&")).status_code != 404, (role, row, link)


def test_one_who_is_dpo_here_and_auditor_there_does_there_only_what_an_auditor_may(world: World) -> None:
    both = hire("Both", world.cast.otherwerk, role=Role.DPO)
    both.groups.add(*hire("Template", world.cast.lindwerk, role=Role.AUDITOR).groups.all())
    browser = at_work(both, NOBODYS_HOST)
    path = world.paths["/console/delivery/message/<uuid:object_id>/send-again/"]
    assert browser.get(path.removesuffix("send-again/")).status_code == 200
    assert browser.post(path).status_code == 403
    browser.post("/console/delivery/message/send-again/", {"system": "mailer", "cause": "refused"})
    assert Message.objects.dead().count() == 1
    assert "Send again" not in browser.get(path.removesuffix("send-again/")).text


def test_one_who_is_auditor_here_and_analyst_there_downloads_from_here_alone(world: World) -> None:
    both = hire("Both", world.cast.otherwerk, role=Role.AUDITOR)
    both.groups.add(*hire("Template", world.cast.lindwerk, role=Role.PRIVACY_ANALYST).groups.all())
    browser = at_work(both, NOBODYS_HOST)
    assert browser.get(world.paths["/console/audit/entry/<uuid:object_id>/"]).status_code == 200, "there they may look"
    download = browser.post("/console/audit/entry/download/", {})
    taken = b"".join(getattr(download, "streaming_content", ()))
    assert taken
    lines = [json.loads(line)["entry"] for line in taken.splitlines()]
    assert {line["controller"] for line in lines} == {str(world.cast.otherwerk.pk)}


def test_neither_a_persons_nor_a_programs_user_row_comes_in_with_a_role_of_staff(world: World) -> None:
    made = make_program(world.cast.lindwerk, "shop")
    for user in (made.client.user, User.objects.for_subject(world.cast.lindwerk, world.cast.alice)):
        user.groups.add(group_of(world.cast.lindwerk, Role.DPO))
        for row in LISTS:
            if row.address.startswith("/console/"):
                assert came_to(world.ask(at_work(user), row), row) == "sign in"
        assert at_work(user).get("/api/v1/requests/").status_code == 404
    with_its_token = with_token(token_for(made))
    assert with_its_token.get("/console/").status_code == 302
    assert with_its_token.get("/api/v1/audit/entries/").status_code == 200, "as its own role says"


@pytest.mark.parametrize("host", ["LOCALHOST", "localhost.", "Localhost:8000"])
def test_a_host_name_is_the_same_however_it_is_written(world: World, host: str) -> None:
    elsewhere = at_work(hire("Otto", world.cast.otherwerk), host)
    assert elsewhere.get("/api/v1/requests/").status_code == 404
    assert at_work(hire("Dana", world.cast.lindwerk), host).get("/api/v1/requests/").status_code == 200


def test_a_member_of_staff_who_was_switched_off_is_nobody(world: World) -> None:
    dana = hire("Dana", world.cast.lindwerk)
    browser = at_work(dana)
    User.objects.filter(pk=dana.pk).update(is_active=False)
    for row in LISTS:
        assert came_to(world.ask(browser, row), row) == "sign in", row


def test_the_page_has_every_address(world: World) -> None:
    there = {f"/{address}" for address in _addresses(get_resolver())} - {"/console/(?P<url>.*)$"}
    assert {row.address for row in ROWS} == there


def test_what_the_page_leaves_out_is_not_allowed(world: World) -> None:
    given = {(row.address, row.method) for row in ROWS}
    everybody = list(browsers(world.cast))
    for address in sorted({row.address for row in ROWS}):
        for method in METHODS:
            if (address, method) not in given:
                row = Row(address, method, ("",))
                assert all(_is_refused(world.ask(browser, row)) for browser in everybody), row


def test_the_roles_are_as_the_page_says() -> None:
    said = {Permission(permission): cells for permission, *cells in table("permission")}
    assert set(said) == set(Permission)
    for at, role in enumerate((*ROLES, Role.API_READER)):
        assert {permission for permission, cells in said.items() if cells[at] == "yes"} == set(PERMISSIONS[role])


@pytest.mark.django_db
def test_a_release_that_gives_a_role_other_permissions_changes_who_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = cast.enter()
    browser = at_work(hire("Sam", stage.lindwerk, role=Role.SUPPORT_AGENT))
    changed = {Permission.WORK_CONSOLE, Permission.SEE_LOG}
    monkeypatch.setattr("identity_privacy.access.roles.PERMISSIONS", {**PERMISSIONS, Role.SUPPORT_AGENT: changed})
    assert browser.get("/console/audit/entry/").status_code == 404
    renew_roles()
    assert browser.get("/console/audit/entry/").status_code == 200
    assert browser.get("/console/profiles/profile/").status_code == 404


def _led_to(answer: HttpResponseBase) -> str:
    return answer.headers.get("Location", "").partition("?")[0]


def _is_refused(answer: HttpResponseBase) -> bool:
    return answer.status_code in (401, 403, 404, 405) or _led_to(answer) in {*DOORS, "/console/"}


def _text(answer: HttpResponseBase) -> str:
    return getattr(answer, "content", b"").decode()


def _addresses(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _addresses(pattern, before + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            yield before + str(pattern.pattern)
