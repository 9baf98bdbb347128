"""Real servers for the runs that break things: given by the environment, or private ones for the session."""

import contextlib
import os
from collections.abc import Callable, Iterator

import pytest

from tests import servers


@pytest.fixture(scope="session")
def pg_server() -> Iterator[str]:
    """URL of a PostgreSQL server; make databases on it with `servers.databases`."""
    yield from _server(servers.postgres)


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[str]:
    yield from _server(servers.rabbitmq)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    yield from _server(servers.redis)


@pytest.fixture(autouse=True)
def no_network() -> None:
    """Servers that the environment names may live on another machine."""


def _server(start: Callable[[], contextlib.AbstractContextManager[str]]) -> Iterator[str]:
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(start())
        except servers.ServerMissing as missing:
            if os.environ.get("STRICT") or os.environ.get("CI"):
                raise
            pytest.skip(f"{missing} is not installed")
        yield url
