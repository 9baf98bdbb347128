"""No line of the log tells the text of an error that may hold what somebody typed, or what a row holds."""

import io
import logging
from collections.abc import Iterator

import pytest
from django.db import IntegrityError
from django.test import Client
from pytest_django import Settings

from dsar.errors import NotNow
from identity_privacy.logs import LineFormatter
from profiles.models import Profile
from tests.cast import ALICE_EMAIL, Cast
from tests.cast import enter as on_stage

VALUE = "Zxqvjgiven"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the service's own handler would write."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(LineFormatter("%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    yield written
    root.removeHandler(handler)


def break_off(error: Exception) -> None:
    raise error from IntegrityError(f"DETAIL: Key (email)=({VALUE}) already exists")


def fail(error: Exception) -> None:
    try:
        break_off(error)
    except Exception:
        logging.getLogger("somewhere").exception("it failed")


def test_an_error_is_told_by_its_kind_and_place(log: io.StringIO) -> None:
    fail(ValueError(f"cannot read {VALUE!r}"))
    told = log.getvalue()
    assert "it failed" in told
    assert "builtins.ValueError" in told
    assert "django.db.utils.IntegrityError" in told
    assert "in break_off" in told
    assert VALUE not in told


def test_what_our_own_errors_say_is_told(log: io.StringIO) -> None:
    fail(NotNow("LI-7K3M2P is received"))
    assert "dsar.errors.NotNow: LI-7K3M2P is received" in log.getvalue()
    assert VALUE not in log.getvalue()


def test_a_message_that_repeats_the_error_is_told_without_it(log: io.StringIO) -> None:
    error = ValueError(f"cannot read {VALUE}")
    logging.getLogger("somewhere").error("task failed: %r, %s", error, error, exc_info=error)
    assert VALUE not in log.getvalue()
    assert "task failed: ValueError, ValueError" in log.getvalue()


def test_an_error_that_came_from_itself_is_told_once(log: io.StringIO) -> None:
    error = ValueError("a")
    error.__context__ = error
    logging.getLogger("somewhere").error("odd", exc_info=error)
    assert log.getvalue().count("builtins.ValueError") == 1


@pytest.fixture
def cast(db: None) -> Cast:
    return on_stage()


@pytest.mark.parametrize("path", ["/", "/console/", "/api/v1/audit/checkpoint/", "/sign-in/"])
def test_a_page_that_breaks_tells_nothing_that_it_had_in_hand(
    cast: Cast, log: io.StringIO, settings: Settings, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def breaks(*_: object, **__: object) -> None:
        values = [ALICE_EMAIL, cast.alice]
        raise ValueError(f"{VALUE} {values}")

    settings.DEBUG = False
    for place in ("django.contrib.sessions.middleware.SessionMiddleware.process_request",):
        monkeypatch.setattr(place, breaks)
    answer = Client(raise_request_exception=False, headers={"host": "localhost"}).get(path)
    assert answer.status_code == 500
    for told in (answer.text, log.getvalue(), str(answer.headers)):
        assert VALUE not in told
        assert ALICE_EMAIL not in told
    assert "builtins.ValueError" in log.getvalue()
    assert Profile.objects.count() == 3
