"""What every test stands on: both databases, append-only tables that can be emptied, and no network."""

import contextlib
import ipaddress
import os
import socket
from collections.abc import Iterator

import pytest
from django.db import connections
from django.test import TransactionTestCase
from django.utils import translation
from hypothesis import settings

# In CI a run must repeat; the inner loop is quick; before a release it should search further than usual.
settings.register_profile("default", deadline=None, max_examples=50)
settings.register_profile("quick", settings.get_profile("default"), max_examples=10)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))

EVERY_DATABASE = ["default", "keys"]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give every test that uses a database both of them: no verb of the service does without its keys."""
    mark = item.get_closest_marker("django_db")
    fixtures = set(getattr(item, "fixturenames", ()))
    transactional = bool(fixtures & {"transactional_db", "live_server"})
    if mark is None and not transactional and "db" not in fixtures:
        return
    options = {"transaction": transactional, **(mark.kwargs if mark else {})}
    item.add_marker(pytest.mark.django_db(**{"databases": EVERY_DATABASE, **options}), append=False)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "only_on(vendor): for one database's own ways, 'postgresql' or 'sqlite'")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, rather than skip, what is about the other database: a skipped test fails a strict run."""
    vendor = connections["default"].vendor
    others = [item for item in items if (mark := item.get_closest_marker("only_on")) and mark.args[0] != vendor]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Put SQLite in files, in WAL mode as in production, where a live server's threads work on it beside the test.

    Django never closes a connection to a database in memory, so each request's thread would leave two behind.
    """
    if not any("live_server" in getattr(item, "fixturenames", ()) for item in request.session.items):
        return
    for alias in EVERY_DATABASE:
        if connections[alias].vendor == "sqlite":
            name = tmp_path_factory.mktemp("databases") / f"{alias}.sqlite3"
            connections[alias].settings_dict["TEST"]["NAME"] = str(name)


# --- Append-only tables ---------------------------------------------------------------------------


@contextlib.contextmanager
def triggers_lifted(alias: str) -> Iterator[None]:
    """Let a test's rows be emptied out of the tables that refuse it. Used in the teardown below and nowhere else."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = replica")
            try:
                yield
            finally:
                cursor.execute("SET session_replication_role = DEFAULT")
            return
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f'DROP TRIGGER "{name}"')
        try:
            yield
        finally:
            for _, statement in triggers:
                cursor.execute(statement)


flush_after_test = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined] # private, so not in the stubs


def teardown_with_triggers_lifted(self: TransactionTestCase) -> None:
    with contextlib.ExitStack() as stack:
        for alias in EVERY_DATABASE:
            stack.enter_context(triggers_lifted(alias))
        flush_after_test(self)


# TestCase, which rolls back, has a teardown of its own that does not come here.
TransactionTestCase._fixture_teardown = teardown_with_triggers_lifted  # type: ignore[attr-defined] # as above


# --- Language -----------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def own_language() -> Iterator[None]:
    """Forget the language in which a page spoke, or the next test in this thread would speak it too."""
    yield
    translation.deactivate()


# --- No network -------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves this machine, so that no test depends on, or disturbs, anyone outside."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: tuple[str, int] | str | bytes) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(str(address[0])):
            raise AssertionError(f"a test tried to reach {address!r}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def _is_here(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback
