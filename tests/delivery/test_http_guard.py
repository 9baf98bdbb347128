"""The client for foreign addresses reaches the public Internet and nothing else, in bounded time and size."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from identity_privacy import http

HERE = http.Policy(allow_loopback=True, timeout_seconds=0.5, max_body_bytes=10_000)
STRICT = http.Policy(timeout_seconds=0.5)


@asynccontextmanager
async def receiver(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def posted(url: str, policy: http.Policy = HERE) -> http.Answer:
    async with http.Client(policy) as client:
        return await client.post(url, body=b"{}", headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",  # noqa: S104  # an address to refuse
        "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255",
        "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::1", "2001:db8::1", "fe80::1", "fe80::1%1", "fd00:ec2::254",
        "fec0::1", "ff02::1", "3fff::1", "", "localhost", "8.8.8",
    ],
)  # fmt: skip
def test_an_address_that_is_not_on_the_public_internet_is_known(address: str) -> None:
    assert not http.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"])
def test_an_address_on_the_public_internet_is_let_through(address: str) -> None:
    assert http.is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/", "ftp://shop.example/", "file:///etc/passwd", "//shop.example", "shop.example", "",
        "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/",
        "https://0x7f.1/", "https://8.8.8.8/", "https://8.8.8.8./", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
        "https://user:secret@shop.example/", "https://user@shop.example/", "https://shop.example:99999/", "https://[x/",
        "https://１２７.0.0.1/", "http://localhost/", "http://127.0.0.1/",
    ],
)  # fmt: skip
def test_an_address_that_could_never_be_called_is_refused_before_any_look_up(url: str) -> None:
    with pytest.raises(http.AddressRefused) as refused:
        http.check_url(url, STRICT)
    assert refused.value.permanent
    assert "secret" not in str(refused.value)


@given(st.text() | st.builds("https://{}".format, st.text()))
def test_noise_for_an_address_is_refused_by_our_own_error_alone(url: str) -> None:
    try:
        parsed = http.check_url(url, STRICT)
    except http.AddressRefused:
        return
    assert parsed.scheme == "https"


@pytest.mark.parametrize("url", ["http://2130706433/", "http://127.1/", "http://127.0.0.2/", "http://192.168.0.1/"])
def test_allowing_loopback_in_development_allows_nothing_else(url: str) -> None:
    with pytest.raises(http.AddressRefused):
        http.check_url(url, HERE)


@pytest.mark.parametrize("answers", [["10.0.0.5"], ["93.184.216.34", "127.0.0.1"], ["::ffff:169.254.169.254"]])
def test_a_name_that_leads_into_a_private_network_is_not_connected_to(
    answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, answers)

    with pytest.raises(http.AddressRefused):
        asyncio.run(posted("https://shop.example/", STRICT))


def test_only_an_address_that_the_operator_typed_may_lead_into_a_private_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve_to(monkeypatch, ["10.0.0.5"])
    connected: list[str] = []

    async def connect(loop: asyncio.AbstractEventLoop, sock: socket.socket, address: tuple[str, int]) -> None:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", connect)
    typed = http.Policy(allow_private=True, timeout_seconds=0.5)
    with pytest.raises(http.NoAnswer):
        asyncio.run(posted("https://privacy.example/", typed))
    assert connected == ["10.0.0.5"]
    with pytest.raises(http.AddressRefused):
        asyncio.run(posted("http://privacy.example/", typed))


def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that changes between check and connect: only the first answer is ever used."""
    asked = resolve_to(monkeypatch, ["93.184.216.34"])
    connected: list[str] = []

    async def connect(loop: asyncio.AbstractEventLoop, sock: socket.socket, address: tuple[str, int]) -> None:
        asked[:] = ["127.0.0.1"]
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", connect)
    with pytest.raises(http.NoAnswer):
        asyncio.run(posted("https://shop.example/", STRICT))
    assert connected == ["93.184.216.34"]


def test_the_whole_answer_comes_back_whatever_its_status() -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=503, body=await request.read(), headers={"Retry-After": "7"})

    answer = asyncio.run(through(receiver(refuse)))

    assert (answer.status, answer.headers["retry-after"], answer.body) == (503, "7", b"{}")


def test_fetching_sends_no_body_and_brings_the_whole_answer_back() -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(status=404, text=f"{request.method} {await request.text()}{request.headers['Accept']}")

    async def fetched() -> http.Answer:
        async with receiver(echo) as url, http.Client(HERE) as client:
            return await client.get(url, headers={"Accept": "text/plain"})

    answer = asyncio.run(fetched())
    assert (answer.status, answer.body) == (404, b"GET text/plain")


def test_a_redirect_is_not_followed() -> None:
    seen: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    assert asyncio.run(through(receiver(redirect))).status == 302
    assert seen == ["/"]


async def hang(request: web.Request) -> web.Response:
    await asyncio.sleep(5)
    return web.Response()


async def drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(100):
        await response.write(b".")
        await asyncio.sleep(0.05)
    return response


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 4096)


async def broken(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 secret words\r\n\r\n")
    request.transport.close()
    return web.StreamResponse()


@pytest.mark.parametrize(
    ("handler", "kind"), [(hang, "timeout"), (drip, "timeout"), (endless, "too_long"), (broken, "broken_answer")]
)
def test_a_receiver_that_hangs_drips_never_ends_or_breaks_off_costs_bounded_time(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], kind: str
) -> None:
    with pytest.raises(http.NoAnswer) as failed:
        asyncio.run(asyncio.wait_for(through(receiver(handler)), timeout=3))
    assert failed.value.kind == kind
    assert "secret" not in f"{failed.value!r}{failed.value.__cause__!r}"


def test_nobody_there_is_no_answer() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(http.NoAnswer) as failed:
        asyncio.run(posted(f"http://127.0.0.1:{port}/?token=secret"))
    assert failed.value.kind == "no_connection"
    assert "secret" not in str(failed.value)


async def through(receiving: AbstractAsyncContextManager[str]) -> http.Answer:
    async with receiving as url:
        return await posted(url)


def resolve_to(monkeypatch: pytest.MonkeyPatch, answers: list[str]) -> list[str]:
    async def getaddrinfo(*args: object, **kwargs: object) -> list[tuple[object, ...]]:
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        return [
            (family[":" in address], socket.SOCK_STREAM, 6, "", (address, 443, *([0, 0] if ":" in address else [])))
            for address in answers
        ]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return answers
