"""While the root key cannot be had, machines and people are told when to come back, and nothing of why."""

import json
import logging
from collections.abc import Iterator

import pytest
from django.http import HttpRequest
from django.test import Client
from pytest_django import Settings

from dsar.models import Task
from dsar.terms import TaskState
from identity_privacy.crypto.errors import RootKeyUnavailable
from identity_privacy.delivery.models import System
from tests import cast
from tests.api.partner import inbound_secret, result, signed
from tests.cast import ALICE_EMAIL
from tests.kms import Vault, listening
from tests.portal.door import signed_in

SEALED = (503, b'{"errors": ["Vault is sealed"]}')


@pytest.fixture
def vault(db: None, settings: Settings) -> Iterator[Vault]:
    """A Vault with the root key, of which this process holds nothing for long."""
    settings.KEK_HOLD_SECONDS = 0
    settings.ROOT_KEY_RETRY_SECONDS = 7
    stand_in = Vault()
    stand_in.make_key("identity-privacy")
    with listening(stand_in) as port:
        settings.ROOT_KEY_URL = f"vault+http://127.0.0.1:{port}/transit/identity-privacy"
        settings.VAULT_TOKEN = stand_in.token
        yield stand_in


def test_a_machine_is_told_when_to_come_back_and_only_the_log_says_why(
    vault: Vault, anybody: Client, task: Task, parcels: System, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps(result(task.pk)).encode()
    headers = signed(inbound_secret(parcels), body)
    vault.instead = SEALED
    answer = anybody.post(f"/api/v1/tasks/{task.pk}/result/", body, content_type="application/json", headers=headers)
    assert (answer.status_code, answer["Retry-After"]) == (503, "7")
    assert answer.json() == {
        "type": "/problems/root-key-unavailable",
        "title": "The root key is not available",
        "status": 503,
    }
    assert "unseal it" in caplog.text
    assert Task.objects.get(pk=task.pk).state != TaskState.REPORTED


def test_a_person_is_told_to_come_back(vault: Vault, caplog: pytest.LogCaptureFixture) -> None:
    cast.enter()
    alice = signed_in(ALICE_EMAIL)
    alice.raise_request_exception = False
    assert "Brandt" in alice.get("/data/").text
    vault.instead = SEALED
    answer = alice.get("/data/", headers={"accept-language": "de"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "7")
    assert "Bitte versuchen Sie es in einer Minute noch einmal." in answer.text
    assert "unseal" not in answer.text
    assert "unseal it" in caplog.text


@pytest.mark.parametrize(("path", "kind"), [("/data/", "text/html"), ("/api/v1/log/", "application/problem+json")])
def test_what_fails_before_any_view_is_answered_alike(
    settings: Settings, caplog: pytest.LogCaptureFixture, path: str, kind: str
) -> None:
    caplog.set_level(logging.CRITICAL)
    settings.MIDDLEWARE = [f"{__name__}.session_that_cannot_be_opened"]
    answer = Client(raise_request_exception=False, headers={"host": "localhost"}).get(path)
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert answer["Content-Type"].startswith(kind)
    assert "Vault" not in answer.text


def session_that_cannot_be_opened(_: object) -> object:
    """Middleware, as that of a sealed session is."""

    def refuse(request: HttpRequest) -> None:
        raise RootKeyUnavailable("Vault is sealed")

    return refuse
