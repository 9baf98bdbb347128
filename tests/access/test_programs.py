"""A program gets a token for its secret, sees of its own controller what its scopes say, and is out once revoked."""

import json
import logging
import logging.config
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from allauth.idp.oidc.models import Client as OAuthClient
from allauth.idp.oidc.models import Token
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dsar.terms import RequestKind
from identity_privacy.access.errors import ClientRevoked
from identity_privacy.access.models import ApiClient, User
from identity_privacy.access.services import revoke_api_client, rotate_api_client
from identity_privacy.access.services.programs import NewSecret
from identity_privacy.access.tasks import forget
from identity_privacy.access.terms import Permission
from identity_privacy.audit.models import Entry
from identity_privacy.clock import machine_now
from tests import cast
from tests.cast import OTHER_HOST, Cast
from tests.factories import SERVICE, make_request
from tests.programs import TOKEN, make_program, program, token_for, with_token
from tests.staff import hire

REQUESTS, ENTRIES = "/api/v1/requests/", "/api/v1/audit/entries/"


@pytest.fixture
def stage(db: None) -> Cast:
    return cast.enter()


def status(client: Client, path: str = REQUESTS) -> int:
    return client.get(path).status_code


def test_a_program_sees_the_requests_of_its_own_controller_alone(stage: Cast) -> None:
    ours = make_request(stage.lindwerk, stage.alice, RequestKind.ACCESS)
    make_request(stage.otherwerk, stage.charlie, RequestKind.ACCESS)
    answer = program(stage.lindwerk).get(REQUESTS).json()
    assert [row["reference"] for row in answer["results"]] == [ours.reference]


def test_it_works_under_its_own_controllers_host_name_alone(stage: Cast) -> None:
    token = token_for(make_program(stage.lindwerk))
    assert status(with_token(token)) == 200
    assert status(with_token(token, host=OTHER_HOST)) == 401
    assert status(with_token(token, host="api.example")) == 200, "a host name that is no controller's binds to none"


def test_a_token_with_fewer_scopes_sees_less(stage: Cast) -> None:
    made = make_program(stage.lindwerk)
    narrow = with_token(token_for(made, scope="see_requests"))
    assert (status(narrow), status(narrow, ENTRIES)) == (200, 404)
    whole = with_token(token_for(made))
    assert (status(whole), status(whole, ENTRIES)) == (200, 200)


def test_a_program_with_fewer_scopes_is_given_no_others(stage: Cast) -> None:
    made = make_program(stage.lindwerk, scopes=[Permission.SEE_LOG])
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.secret}
    answer = Client().post(TOKEN, form | {"scope": "see_requests"})
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_scope"})
    assert Client().post(TOKEN, form).json()["scope"] == "see_log"


@pytest.mark.parametrize(
    ("form", "expected", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        (
            {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "x"},
            400,
            "unsupported_grant_type",
        ),
        ({"grant_type": "refresh_token", "client_id": "x"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "x", "client_secret": "x"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "\0", "client_secret": "x"}, 400, "invalid_request"),
        ({"grant_type": "client_credentials", "scope": "see_log " * 100}, 400, "invalid_request"),
        ({"grant_type": "client_credentials", "resource": "http://["}, 400, "invalid_request"),
        ({"grant_type": ["client_credentials", "password"]}, 400, "invalid_request"),
    ],
    ids=str,
)
def test_whoever_shows_no_secret_gets_no_token(
    stage: Cast, form: dict[str, str | list[str]], expected: int, error: str
) -> None:
    answer = Client().post(TOKEN, form)
    assert (answer.status_code, answer.json()) == (expected, {"error": error})
    assert answer.headers.get("WWW-Authenticate") == ('Basic realm="api"' if expected == 401 else None)
    assert not Token.objects.exists()


def test_names_that_no_database_takes_open_nothing(stage: Cast) -> None:
    for pair in (b"\0:\0", b":", b"\xff:\xff", b"a" * 9000):
        basic = b64encode(pair).decode()
        browser = Client(headers={"authorization": f"Basic {basic}"})
        assert browser.post(TOKEN, {"grant_type": "client_credentials"}).status_code == 401


def refused(made: NewSecret) -> bool:
    """Whether its secret brings no token, and leaves nothing behind."""
    before = (Token.objects.count(), Entry.objects.count())
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.secret}
    answer = Client().post(TOKEN, form)
    assert (Token.objects.count(), Entry.objects.count()) == before or answer.status_code == 200
    return (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


def test_a_wrong_secret_opens_nothing(stage: Cast) -> None:
    made = make_program(stage.lindwerk)
    assert refused(replace(made, secret=made.secret[:-1]))
    assert not refused(made)


def test_neither_secret_nor_token_is_stored_or_shown(stage: Cast) -> None:
    made = make_program(stage.lindwerk)
    token = token_for(made)
    stored = repr([list(model.objects.values()) for model in (OAuthClient, Token, User, ApiClient, Entry)])
    assert made.secret not in stored
    assert token not in stored
    assert made.secret not in repr(made)


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Bearer nonsense", "bearer \u00ff", "Bearer a b", "Token x", "Basic eDp4"]
)
def test_a_bad_token_is_not_authenticated(stage: Cast, value: str) -> None:
    answer = Client(headers={"authorization": value.encode("latin-1").decode("latin-1")}).get(REQUESTS)
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/not-authenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_token_ends_after_an_hour(stage: Cast) -> None:
    browser = program(stage.lindwerk)
    with time_machine.travel(machine_now() + timedelta(minutes=59)):
        assert status(browser) == 200
    with time_machine.travel(machine_now() + timedelta(minutes=61)):
        assert status(browser) == 401


def test_a_new_secret_and_the_one_before_it_are_valid_together_for_a_while(stage: Cast) -> None:
    first = make_program(stage.lindwerk)
    second = rotate_api_client(actor=SERVICE, client=first.client, overlap=timedelta(days=7))
    assert first.client_id != second.client_id
    assert status(with_token(token_for(first))) == status(with_token(token_for(second))) == 200
    with time_machine.travel(machine_now() + timedelta(days=7, minutes=1)):
        assert status(with_token(token_for(second))) == 200
        assert refused(first), "its secret is too old"


def test_without_an_overlap_every_secret_before_and_its_tokens_end_at_once(stage: Cast) -> None:
    first = make_program(stage.lindwerk)
    second = rotate_api_client(actor=SERVICE, client=first.client)
    tokens = [token_for(first), token_for(second)]
    third = rotate_api_client(actor=SERVICE, client=first.client, overlap=timedelta(0))
    assert refused(first)
    assert refused(second)
    assert [status(with_token(token)) for token in tokens] == [401, 401]
    assert status(with_token(token_for(third))) == 200


def test_a_program_that_is_revoked_is_out_at_once_and_for_good(stage: Cast) -> None:
    made = make_program(stage.lindwerk)
    browser = with_token(token_for(made))
    assert status(browser) == 200
    revoke_api_client(actor=SERVICE, client=made.client)
    assert status(browser) == 401
    assert refused(made)
    for again in (revoke_api_client, rotate_api_client):
        with pytest.raises(ClientRevoked):
            again(actor=SERVICE, client=made.client)


def test_whose_user_row_is_switched_off_is_out(stage: Cast) -> None:
    made = make_program(stage.lindwerk)
    browser = with_token(token_for(made))
    User.objects.filter(pk=made.client.user_id).update(is_active=False)
    assert status(browser) == 401
    assert refused(made)


def test_a_call_costs_one_query_to_know_who_calls(
    stage: Cast, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser = program(stage.lindwerk)
    with django_assert_num_queries(5):  # whose host it is, the token, the call's count, the role, the list
        assert status(browser) == 200


def test_a_token_of_an_oauth_client_that_is_no_programs_opens_nothing(stage: Cast) -> None:
    dana = hire("Dana", stage.lindwerk)
    oauth = OAuthClient.objects.create(owner=dana, scopes="see_requests")
    token = Token(type=Token.Type.ACCESS_TOKEN, client=oauth, scopes="see_requests")
    token.set_value("planted")
    token.save()
    for host in ("localhost", "console.example"):
        assert status(with_token("planted", host=host)) == 401


def test_tokens_that_are_over_are_deleted(stage: Cast) -> None:
    token_for(make_program(stage.lindwerk))
    forget()
    assert Token.objects.count() == 1
    with time_machine.travel(machine_now() + timedelta(hours=2)):
        forget()
    assert not Token.objects.exists()


def test_no_log_line_holds_a_token_or_a_secret(stage: Cast, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.config.dictConfig({**settings.LOGGING, "disable_existing_loggers": False})
    made = make_program(stage.lindwerk)
    token = token_for(made)
    assert token not in caplog.text
    assert made.secret not in caplog.text


def test_that_a_token_was_given_is_in_the_log_without_it(stage: Cast) -> None:
    made = make_program(stage.lindwerk)
    token_for(made)
    entry = Entry.objects.get(action="api_client.token_given")
    assert (entry.actor_kind, entry.actor_id) == ("client", str(made.client.id))
    assert entry.controller_id == stage.lindwerk.pk


# --- The command --------------------------------------------------------------------------------------


def run(*arguments: str) -> dict[str, object]:
    out = StringIO()
    call_command("api_client", *arguments, stdout=out)
    found: dict[str, object] = json.loads(out.getvalue())
    return found


def listed() -> object:
    out = StringIO()
    call_command("api_client", "list", stdout=out)
    return json.loads(out.getvalue())


def test_an_operator_makes_rotates_and_revokes_a_program_and_gets_json(stage: Cast) -> None:
    made = run("create", "shop", "--controller", "lindwerk", "--role", "api_reader", "--scope", "see_log")
    assert (made["code"], made["scope"], made["revoked_at"]) == ("shop", "see_log", None)
    assert str(made["token_url"]).endswith(TOKEN)
    form = {"grant_type": "client_credentials", "client_id": made["client_id"], "client_secret": made["client_secret"]}
    assert Client().post(TOKEN, form).json()["scope"] == "see_log"
    rotated = run("rotate", "shop", "--controller", "lindwerk", "--overlap-days", "0")
    assert rotated["scope"] == "see_log"
    assert rotated["client_secret"] != made["client_secret"]
    revoked = run("revoke", "shop", "--controller", "lindwerk")
    assert revoked["revoked_at"]
    assert "client_secret" not in revoked
    assert listed() == [revoked]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["create", "shop", "--controller", "x", "--role", "api_reader"],
            "no controller x; there is: lindwerk",
        ),
        (["create", "shop", "--controller", "lindwerk", "--role", "dpo"], "invalid choice: 'dpo'"),
        (["create", "a" * 51, "--controller", "lindwerk", "--role", "api_reader"], "code: give letters, digits"),
        (["create", "a b", "--controller", "lindwerk", "--role", "api_reader"], "code: give letters, digits"),
        (["create", "there", "--controller", "lindwerk", "--role", "api_reader"], "code: another API client"),
        (
            ["create", "x", "--controller", "lindwerk", "--role", "api_reader", "--scope", "send_again"],
            "send_again: api_reader has no such scope; it has: see_log, see_requests",
        ),
        (["rotate", "x", "--controller", "lindwerk"], "no API client x of lindwerk; `api_client list` shows all"),
        (["rotate", "there", "--controller", "lindwerk", "--overlap-days", "-1"], "a number of days from 0 to 365"),
        (["rotate", "there", "--controller", "lindwerk", "--overlap-days", "9999"], "a number of days from 0 to 365"),
        (["revoke", "there", "--controller", "otherwerk"], "no API client there of otherwerk"),
    ],
)
def test_what_cannot_be_done_is_named(stage: Cast, arguments: list[str], words: str) -> None:
    make_program(stage.lindwerk, "there")
    with pytest.raises(CommandError, match=words):
        run(*arguments)


def test_a_revoked_program_is_not_given_another_secret(stage: Cast) -> None:
    revoke_api_client(actor=SERVICE, client=make_program(stage.lindwerk, "there").client)
    with pytest.raises(CommandError, match="This API client was revoked"):
        run("rotate", "there", "--controller", "lindwerk")
