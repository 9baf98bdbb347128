"""An entry says from where: which web request or task, and from which network, never from which address."""

from collections.abc import Iterator

import pytest
from django.http import HttpRequest, StreamingHttpResponse
from django.test import Client, RequestFactory

from identity_privacy.actors import Actor
from identity_privacy.audit.models import Entry
from identity_privacy.audit.origin import Origin, client_address, coming_from, truncated, with_origin
from identity_privacy.audit.services import record
from identity_privacy.celery import app


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        (" 203.0.113.77 ", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2002:cb00:714d::1", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("unix:", ""),
        ("", ""),
    ],
)
def test_an_address_is_cut_to_its_network(address: str, network: str) -> None:
    assert truncated(address) == network


def request_from(address: str, forwarded: str) -> HttpRequest:
    return RequestFactory().get("/", REMOTE_ADDR=address, HTTP_X_FORWARDED_FOR=forwarded)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.1", "192.0.2.9"),  # anybody can write the header
        (1, "198.51.100.1, 203.0.113.1", "203.0.113.1"),
        (2, "198.51.100.1,203.0.113.1", "198.51.100.1"),
        (2, "203.0.113.1", ""),  # did not come through both
        (1, "", ""),
    ],
)
def test_the_address_is_what_our_own_proxies_saw(
    settings: pytest.FixtureRequest, proxies: int, forwarded: str, address: str
) -> None:
    settings.TRUSTED_PROXIES = proxies  # type: ignore[attr-defined]  # pytest-django's fixture
    assert client_address(request_from("192.0.2.9", forwarded)).strip() == address


def enter() -> Entry:
    entry_id = record(actor=Actor.service("test"), action="test.done", target=("thing", "1"), controller_id=None)
    return Entry.objects.get(id=entry_id)


@pytest.mark.django_db
def test_an_entry_carries_its_origin_and_the_next_does_not() -> None:
    with coming_from(Origin(request_id="one", network="203.0.113.0/24")):
        entry = enter()
    assert (entry.request_id, entry.network) == ("one", "203.0.113.0/24")
    assert enter().request_id == ""


@pytest.mark.django_db
def test_an_answer_names_its_request_and_takes_no_name_from_outside(client: Client) -> None:
    one, other = (client.get("/api/v1/audit/checkpoint/", headers={"X-Request-ID": "mine"}) for _ in range(2))
    assert one.headers["X-Request-ID"] not in {"mine", other.headers["X-Request-ID"]}


@pytest.mark.django_db
def test_what_is_entered_while_a_body_is_streamed_carries_its_request() -> None:
    def body() -> Iterator[bytes]:
        yield str(enter().request_id).encode()

    answer = with_origin(lambda _: StreamingHttpResponse(body()))(request_from("203.0.113.7", ""))
    assert isinstance(answer, StreamingHttpResponse)
    assert b"".join(answer).decode() == answer.headers["X-Request-ID"]
    assert enter().request_id == ""


@pytest.mark.django_db
def test_a_task_enters_what_it_does_under_its_own_id() -> None:
    @app.task(name="tests.enter")
    def enter_it() -> None:
        enter()

    try:
        result = enter_it.apply()
    finally:
        del app.tasks["tests.enter"]
    assert result.successful()
    assert Entry.objects.get().request_id == result.id
