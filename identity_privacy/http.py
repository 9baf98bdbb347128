"""The one HTTP client: addresses that others chose are checked, every call is bounded, none follows a redirect."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from identity_privacy.errors import PartnerFailure

_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# What `is_global` lets through in some Python versions, and the clouds' own services on public-looking addresses.
_NEVER_V4 = tuple(
    map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "168.63.129.16/32", "224.0.0.0/3"))
)
_UNICAST_V6 = IPv6Network("2000::/3")
_NEVER_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_NAT64 = IPv6Network("64:ff9b::/96")


class AddressRefused(PartnerFailure):
    """The address is not one that this service may call: wrong scheme, a bare number, or inside a private network."""

    code = "address-refused"
    title = "This address may not be called"


class NoAnswer(PartnerFailure):
    """No whole answer came: no connection, a broken one, not in time, or too long; `kind` says which."""

    code = "no-answer"
    title = "The linked system gave no answer"

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the client may call and how long it waits; loopback is for development only.

    `allow_private` is for an address that the operator typed: then a name may lead into a private network, too.
    """

    allow_loopback: bool = False
    allow_private: bool = False
    timeout_seconds: float = 10.0
    max_body_bytes: int = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: header names in lower case, the body as raw bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check_url(url: str, policy: Policy) -> URL:
    """Refuse, before any look-up, an address that could never be called.

    Only https to a host name; with `allow_loopback` also http to this machine. Bare numbers are refused in every
    spelling (`127.1`, `2130706433`, `0x7f.1`, `[::1]`), since what they mean differs from one library to the next.
    Raises: AddressRefused.
    """
    try:
        parsed = URL(url)
        host, port = parsed.host or "", parsed.port
    except ValueError as error:
        raise AddressRefused("the address cannot be read", permanent=True) from error
    if policy.allow_loopback and host in _LOOPBACK_HOSTS and parsed.scheme in {"http", "https"}:
        return parsed
    if parsed.scheme != "https":
        raise AddressRefused("only https is called", permanent=True)
    if not host or not port or parsed.user is not None or parsed.password is not None:
        raise AddressRefused("the address needs a host and no credentials", permanent=True)
    if ":" in host or _is_number(host.rstrip(".").rpartition(".")[2]):
        raise AddressRefused("the address needs a host name, not a number", permanent=True)
    return parsed


def is_public(address: str) -> bool:
    """Whether an address lies on the public Internet, also when an IPv4 one is wrapped into IPv6.

    Source: IANA special-purpose address registries; RFC 6052 (NAT64), 4291 (mapped), 3056 (6to4), 4380 (Teredo).
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip in _NAT64:
        ip = IPv4Address(int(ip) & 0xFFFF_FFFF)
    if isinstance(ip, IPv4Address):
        return ip.is_global and not any(ip in network for network in _NEVER_V4)
    return ip.scope_id is None and ip in _UNICAST_V6 and not any(ip in network for network in _NEVER_V6)


class Client:
    """Calls foreign addresses under one policy; reuses connections while it is open.

    Use as `async with Client(policy) as client`. It never follows a redirect, keeps no cookie and unpacks no
    compression; the address that was checked is the one that is connected to.
    """

    def __init__(self, policy: Policy, *, connections: int = 64) -> None:
        self._policy = policy
        self._connections = connections

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, resolver=_CheckedResolver(self._policy)),
            timeout=aiohttp.ClientTimeout(total=self._policy.timeout_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "identity-privacy"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, url: str, *, headers: Mapping[str, str]) -> Answer:
        """Fetch and return the whole answer, whatever its status. Raises: AddressRefused; NoAnswer."""
        return await self._call("GET", url, None, headers)

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send bytes and return the whole answer, whatever its status. Raises: AddressRefused; NoAnswer."""
        return await self._call("POST", url, body, headers)

    async def _call(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        target = check_url(url, self._policy)
        try:
            async with self._session.request(
                method, target, data=body, headers=headers, allow_redirects=False
            ) as response:
                return Answer(
                    status=response.status,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    body=await self._bounded(response),
                )
        except aiohttp.ClientConnectorDNSError as error:
            if isinstance(error.os_error, _ForbiddenAddress):
                raise AddressRefused("the name leads into a private network") from None
            raise NoAnswer("unknown_host") from None
        except TimeoutError:
            raise NoAnswer("timeout") from None
        except (aiohttp.ClientSSLError, ssl.SSLError):
            raise NoAnswer("tls") from None
        except aiohttp.ClientConnectorError:
            raise NoAnswer("no_connection") from None
        except (aiohttp.ClientError, OSError, ValueError):
            # The library's own words may hold the address or part of the answer: they stay here.
            raise NoAnswer("broken_answer") from None

    async def _bounded(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._policy.max_body_bytes:
                response.close()
                raise NoAnswer("too_long")
        return bytes(body)


class _ForbiddenAddress(OSError):
    """An OSError, since that is what the connector passes on."""


class _CheckedResolver(AbstractResolver):
    """Refuses a name whole if any of its addresses is forbidden; the connector uses exactly this answer."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        addresses = [(str(sockaddr[0]), kind, proto) for kind, _, proto, _, sockaddr in found]
        loopback = self._policy.allow_loopback and host in _LOOPBACK_HOSTS
        if not (loopback or self._policy.allow_private) and not all(is_public(address) for address, _, _ in addresses):
            raise _ForbiddenAddress
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST)
            for address, kind, proto in addresses
        ]

    async def close(self) -> None:
        pass


def _is_number(label: str) -> bool:
    # The WHATWG URL standard's "ends in a number": such a host is an IPv4 address to somebody.
    return label.isdigit() or label.lower().startswith("0x")
