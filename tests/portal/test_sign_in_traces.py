"""After every way of signing in, and of setting one up, nothing personal and no secret stands in clear anywhere."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from django.db import connections
from django.test import Client

from dsar.demo.search import Found, Search, Wanted
from identity_privacy.access.models import Session
from identity_privacy.delivery.services import deliver_due
from tests.cast import ALICE_EMAIL, BOB_EMAIL, Cast
from tests.passkeys import add_passkey, sign_in_with
from tests.portal.door import code_sent
from tests.portal.test_security import app_code, recovery_codes, with_app

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
ADDRESS = "203.0.113.77"


def browser() -> Client:
    return Client(headers={"host": "localhost", "user-agent": AGENT}, REMOTE_ADDR=ADDRESS)


def signs_in(client: Client, email: str) -> str:
    """By a code from the mail; says which."""
    client.post("/sign-in/", {"email": email})
    code = code_sent()
    client.post("/sign-in/code/", {"code": code})
    return code


def traces(wanted: Sequence[Wanted], logged: str, folder: Path) -> list[Found]:
    """Where any of it stands: in any column of any table of both databases, or in a log line."""
    for alias in ("default", "keys"):
        with connections[alias].cursor() as cursor:
            for table in connections[alias].introspection.table_names(cursor):
                cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608  # the database's own names
                values = [value for row in cursor.fetchall() for value in row]
                raw = [bytes(one) if isinstance(one, bytes | memoryview) else str(one).encode() for one in values]
                (folder / f"{alias}.{table}").write_bytes(b"\n".join(raw))
    (folder / "log").write_text(logged)
    return list(Search(wanted).files_below(folder))


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def test_neither_tables_nor_sessions_nor_logs_know_who_signed_in_or_by_what(
    cast: Cast, log: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    alice = browser()
    codes = [signs_in(alice, ALICE_EMAIL)]
    confirm = alice.get("/security/app/")["Location"]
    codes.append(code_sent())
    alice.post(confirm, {"code": codes[-1]})
    codes.append(signs_in(browser(), BOB_EMAIL))
    secret = with_app(alice)
    recovery = recovery_codes(alice)
    shown = app_code(secret)
    passkey = add_passkey(alice)
    alice.post("/sign-out/")
    sign_in_with(browser(), passkey)
    again = browser()
    codes.append(signs_in(again, ALICE_EMAIL))
    again.post("/sign-in/app/", {"code": recovery[0]})
    unknown = browser()
    unknown.post("/sign-in/", {"email": "somebody.else@example.org"})
    cookies = [client.cookies["session"].value for client in (again, unknown)]
    wanted = [
        *(Wanted(text=text) for text in (ALICE_EMAIL, BOB_EMAIL, "somebody.else@example.org", ADDRESS, AGENT, secret)),
        *(Wanted(text=text) for text in cookies),
        *(Wanted(text=number, is_number=True) for number in (*codes, *recovery, shown)),
    ]

    deliver_due()

    # The mails were handed to the mail server; that is where a code and an address must be.
    assert [found.path.name for found in traces(wanted, log.text, tmp_path)] == []


def test_the_search_finds_what_is_planted(cast: Cast, log: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    alice = browser()
    signs_in(alice, ALICE_EMAIL)
    Session.objects.update(payload=ALICE_EMAIL.encode())
    logging.getLogger("test").info("signed in: %s", BOB_EMAIL)

    found = traces([Wanted(text=ALICE_EMAIL), Wanted(text=BOB_EMAIL)], log.text, tmp_path)

    assert {one.path.name for one in found} == {"default.access_session", "log"}
