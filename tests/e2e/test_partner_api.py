"""A partner's whole part: it receives our webhook, verifies it, and reports over HTTP with its own signature.

Nothing of ours helps it: it has the official Standard Webhooks package, the secrets that it was handed, and HTTP.
"""

import json
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from standardwebhooks.webhooks import Webhook

from dsar.models import Task
from dsar.services import fulfil_due
from dsar.terms import EvidenceKind, RequestKind, TaskState
from identity_privacy.delivery.models import System
from identity_privacy.delivery.services import deliver_due
from tests.api.partner import result, signed
from tests.cast import enter
from tests.delivery.world import Receiver, Reply, listening, secrets_of
from tests.e2e.conftest import as_worker
from tests.factories import make_request


@pytest.fixture
def partner(live_server: LiveServer, settings: Settings) -> Iterator[Receiver]:
    """A server of the partner's, which accepts what it gets and reports later."""
    settings.ALLOW_LOOPBACK_PARTNERS = True
    settings.PUBLIC_URL = live_server.url
    with listening(Reply(status=202)) as receiver:
        yield receiver


def test_a_partner_is_asked_by_webhook_and_reports_over_the_api(partner: Receiver) -> None:
    cast = enter(endpoint=partner.url)
    make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    fulfil_due()
    as_worker(deliver_due)
    shop_secret, inbound = secrets_of(cast.shop)

    headers, body = _sent_to(partner, cast.shop)
    Webhook(shop_secret).verify(body, headers)
    asked = json.loads(body)
    task = Task.objects.get(pk=asked["task"])
    assert (asked["type"], asked["accounts"], task.state) == ("task.erase", ["shop-alice"], TaskState.ACCEPTED)

    status, answer = _post(asked["result_url"], inbound, result(task.pk))
    assert (status, answer["state"], answer["outcome"]) == (200, "reported", "done")
    assert _post(asked["result_url"], inbound, result(task.pk)) == (status, answer)
    task.refresh_from_db(fields=["state", "evidence_kind", "counts"])
    assert (task.state, task.evidence_kind) == (TaskState.REPORTED, EvidenceKind.RECORDED_RESPONSE)
    assert task.counts == {"orders": 3}


def test_a_partner_cannot_report_in_anothers_name(partner: Receiver) -> None:
    cast = enter(endpoint=partner.url)
    make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    fulfil_due()
    as_worker(deliver_due)
    _, body = _sent_to(partner, cast.shop)
    asked = json.loads(body)
    status, problem = _post(asked["result_url"], secrets_of(cast.mailer)[1], result(asked["task"]))
    assert (status, problem["type"]) == (401, "/problems/unverified-webhook")
    assert Task.objects.get(pk=asked["task"]).state == TaskState.ACCEPTED


def _sent_to(partner: Receiver, system: System) -> tuple[dict[str, str], bytes]:
    tasks = {str(pk) for pk in Task.objects.filter(system_id=system.pk).values_list("pk", flat=True)}
    return next((headers, body) for headers, body in partner.requests if json.loads(body)["task"] in tasks)


def _post(url: str, secret: str, content: dict[str, object]) -> tuple[int, dict[str, object]]:
    body = json.dumps(content).encode()
    headers = {"Content-Type": "application/json", **signed(secret, body)}
    try:
        with urlopen(Request(url, body, headers)) as answer:  # noqa: S310  # the live server's own address
            return answer.status, json.load(answer)
    except HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)
