"""Whoever asks or tries too often is told to wait, and how long; over all processes, and without being known by it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from identity_privacy.access import limits, tasks
from identity_privacy.access.limits import CONSOLE_TRIES, SIGN_INS, TOKENS, TRIES_OF_A_NAME, Limit, count_one
from identity_privacy.access.models import RateTally, SignInCode
from tests import cast
from tests.cast import ALICE_EMAIL, Cast
from tests.programs import TOKEN, make_program, token_for, with_token
from tests.staff import PASS_PHRASE, at_work, hire

REQUESTS, CHECKPOINT = "/api/v1/requests/", "/api/v1/audit/checkpoint/"
NOON = datetime(2026, 5, 6, 12, 0, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def moment() -> Iterator[time_machine.Traveller]:
    """A quarter of a minute into every window, so that none ends while a test runs."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def stage(db: None) -> Cast:
    return cast.enter()


def used_up(monkeypatch: pytest.MonkeyPatch, limit: Limit, most: int) -> None:
    """Let fewer tries than usual be too many."""
    names = [name for name, value in vars(limits).items() if value is limit]
    lower = Limit(name=limit.name, most=most, window=limit.window)
    for module in ("access.limits", "access.portal.door", "access.api.oauth", "console"):
        for name in names:
            monkeypatch.setattr(f"identity_privacy.{module}.{name}", lower, raising=False)


@pytest.mark.django_db
def test_each_is_counted_apart_and_anew_in_the_next_window(moment: time_machine.Traveller) -> None:
    limit = Limit(name="test", most=2, window=timedelta(minutes=1))
    assert [count_one(limit, "alice").count for _ in range(3)] == [1, 2, 3]
    assert count_one(limit, "bob").count == 1
    last = count_one(limit, "alice")
    assert (last.is_over, last.remaining, last.seconds_left) == (True, 0, 45)
    moment.shift(46)
    again = count_one(limit, "alice")
    assert (again.count, again.is_over, again.remaining) == (1, False, 1)


@pytest.mark.django_db
def test_of_whom_nothing_readable_is_kept_and_that_not_for_long(moment: time_machine.Traveller) -> None:
    limit = Limit(name="test", most=2, window=timedelta(minutes=1))
    count_one(limit, "203.0.113.77")
    assert "203.0.113" not in repr(list(RateTally.objects.values()))
    tasks.forget()
    assert RateTally.objects.count() == 1, "its window is not over"
    moment.shift(46)
    tasks.forget()
    assert not RateTally.objects.exists()


def test_a_program_that_calls_too_often_waits_and_every_answer_says_where_it_stands(
    stage: Cast, settings: Settings
) -> None:
    settings.API_CALLS_PER_MINUTE = 2
    made = make_program(stage.lindwerk)
    browsers = [with_token(token_for(made)), with_token(token_for(made))]
    first, second, third = (browsers[at % 2].get(REQUESTS) for at in range(3))
    assert (first.status_code, second.status_code) == (200, 200), "both its tokens together"
    assert first.headers["RateLimit-Policy"] == '"calls";q=2;w=60'
    assert [one.headers["RateLimit"] for one in (first, second)] == ['"calls";r=1;t=45', '"calls";r=0;t=45']
    assert (third.status_code, third.json()["type"], third.headers["Retry-After"]) == (429, "/problems/throttled", "45")
    dana = at_work(hire("Dana", stage.lindwerk)).get(REQUESTS)
    assert dana.status_code == 200, "others are counted apart"


def test_whoever_has_not_signed_in_is_counted_by_network(stage: Cast, settings: Settings) -> None:
    settings.API_CALLS_PER_MINUTE = 1
    there = Client(REMOTE_ADDR="2001:db8:1:2::1")
    assert [there.get(CHECKPOINT).status_code for _ in range(2)] == [404, 429]
    same_line, another = Client(REMOTE_ADDR="2001:db8:1:2:ffff::9"), Client(REMOTE_ADDR="2001:db8:1:3::1")
    assert (same_line.get(CHECKPOINT).status_code, another.get(CHECKPOINT).status_code) == (429, 404)


def test_behind_a_proxy_the_client_is_counted_and_cannot_make_itself_another(stage: Cast, settings: Settings) -> None:
    settings.API_CALLS_PER_MINUTE, settings.TRUSTED_PROXIES = 1, 1
    for forged in ("", "198.51.100.1, ", "198.51.100.2, "):
        answer = Client(headers={"x-forwarded-for": f"{forged}203.0.113.77"}).get(CHECKPOINT)
        assert answer.status_code == (429 if forged else 404)
    assert Client(headers={"x-forwarded-for": "203.0.113.78"}).get(CHECKPOINT).status_code == 404


def test_tokens_are_not_given_without_end(stage: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    used_up(monkeypatch, TOKENS, 2)
    made = make_program(stage.lindwerk)
    token_for(made)
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": "guessed"}
    assert Client().post(TOKEN, form).status_code == 401
    answer = Client().post(TOKEN, form | {"client_secret": made.secret})
    assert (answer.status_code, answer.json()["type"]) == (429, "/problems/throttled")
    assert int(answer.headers["Retry-After"]) == 585


@pytest.mark.parametrize("email", [ALICE_EMAIL, "nobody@example.org"])
def test_codes_are_asked_for_so_often_and_no_more_be_the_address_known_or_not(
    stage: Cast, monkeypatch: pytest.MonkeyPatch, email: str
) -> None:
    used_up(monkeypatch, SIGN_INS, 2)
    answers = [Client(headers={"host": "localhost"}).post("/sign-in/", {"email": email}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [302, 302, 429]
    assert "Too many tries: please wait a while" in answers[2].text
    assert answers[2].headers["Retry-After"] == "585"
    assert SignInCode.objects.count() == 2


def sign_in(name: str, password: str, address: str = "203.0.113.1") -> int:
    browser = Client(headers={"host": "localhost"}, REMOTE_ADDR=address)
    return browser.post("/console/login/", {"username": name, "password": password}).status_code


def test_of_one_network_many_passwords_are_not_tried_in_the_console(
    stage: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    used_up(monkeypatch, CONSOLE_TRIES, 3)
    assert [sign_in(f"name-{at}", "guessed") for at in range(4)] == [200, 200, 200, 429]
    assert sign_in("name", "guessed", "203.0.113.2") == 200


def test_of_one_name_many_passwords_are_not_tried_from_wherever(stage: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    used_up(monkeypatch, TRIES_OF_A_NAME, 3)
    hire("Dana", stage.lindwerk)
    assert [sign_in("DANA", "guessed", f"203.0.113.{at}") for at in range(3)] == [200, 200, 200]
    assert sign_in("Dana", PASS_PHRASE, "203.0.113.9") == 429
