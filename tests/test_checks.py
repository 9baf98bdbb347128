"""What must not go into production stops the start, with its number and what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from identity_privacy.audit.append_only import check_append_only
from identity_privacy.checks import (
    _names_one_database,
    check_databases,
    check_root_key,
    check_settings,
    refuse_to_start,
)
from identity_privacy.crypto.errors import RootKeyUnavailable
from identity_privacy.crypto.providers import provider
from tests.settings import VAR_DIR


@pytest.fixture
def production(settings: Settings) -> Settings:
    settings.PRODUCTION = True
    settings.SECRET_KEY = "a long secret of the operator's own"
    settings.CELERY_BROKER_URL = "amqp://broker"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    return settings


def ids() -> list[str | None]:
    return [finding.id for finding in check_settings()]


def test_a_sound_production_starts(production: Settings) -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("SECRET_KEY", None, "E001"),
        ("CLOCK_OFFSET_SECONDS", 60, "E002"),
        ("ALLOW_LOOPBACK_PARTNERS", True, "E003"),
        ("DEBUG", True, "E004"),
        ("CELERY_BROKER_URL", "embedded://", "E005"),
        ("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend", "E007"),
        ("EMAIL_BACKEND", "django.core.mail.backends.filebased.EmailBackend", "E007"),
        ("EMAIL_BACKEND", "django.core.mail.backends.dummy.EmailBackend", "E007"),
        ("ROOT_KEY_URL", f"file://{VAR_DIR}/../{VAR_DIR.name}/root-key.json", "E008"),
        ("ROOT_KEY_URL", "vault+http://127.0.0.1:8200/transit/identity-privacy", "E009"),
        ("ROOT_KEY_PREVIOUS_URL", "vault+http://[::1]:8200/transit/identity-privacy", "E009"),
        ("ROOT_KEY_URL", "awskms:///alias/identity-privacy?endpoint=http://127.0.0.1:4566", "E009"),
        ("ROOT_KEY_PREVIOUS_URL", "awskms:///alias/identity-privacy?endpoint=http://localhost:4566", "E009"),
    ],
)
def test_a_convenience_of_development_is_refused(production: Settings, name: str, value: object, number: str) -> None:
    setattr(production, name, production.DEVELOPMENT_SECRET_KEY if value is None else value)
    assert ids() == [f"identity_privacy.{number}"]
    assert all(finding.hint for finding in check_settings())


def test_a_root_key_elsewhere_is_accepted(production: Settings, tmp_path: Path) -> None:
    production.ROOT_KEY_URL = f"file://{tmp_path}/root-key.json"
    assert ids() == []


@pytest.mark.parametrize("setting", ["ROOT_KEY_URL", "ROOT_KEY_PREVIOUS_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "vault+http://vault.example.com:8200/transit/identity-privacy",
        "vault+https://vault.example.com:8200/identity-privacy",
        "vault+https://vault.example.com:vault/transit/identity-privacy",
        "vault+https:///transit/identity-privacy",
        "awskms://alias/identity-privacy",
        "awskms:///",
        "awskms:///alias/identity-privacy?regoin=eu-central-1",
        "awskms:///alias/identity-privacy?endpoint=http://kms.example.com",
        "awskms:///alias/identity-privacy?endpoint=kms.example.com",
        "file://root-key.json",
    ],
)
def test_an_address_of_a_root_key_that_cannot_be_right_is_refused(settings: Settings, setting: str, url: str) -> None:
    setattr(settings, setting, url)
    assert ids() == ["identity_privacy.E010"]
    assert setting in check_settings()[0].msg


@pytest.mark.parametrize(
    "url",
    [
        "vault+https://vault.example.com:8200/transit/identity-privacy",
        "vault+https://vault.example.com/a/mount/of/ours/identity-privacy",
        "awskms:///alias/identity-privacy?region=eu-central-1",
        "awskms:///arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ],
)
def test_a_root_key_in_a_key_service_is_accepted(production: Settings, url: str) -> None:
    production.ROOT_KEY_URL = production.ROOT_KEY_PREVIOUS_URL = url
    assert ids() == []


@pytest.mark.parametrize("count", [-1, 11, 8080])
def test_a_number_of_proxies_that_cannot_be_right_is_refused(settings: Settings, count: int) -> None:
    settings.TRUSTED_PROXIES = count
    assert ids() == ["identity_privacy.E014"]


@pytest.mark.parametrize("count", [0, 1, 10])
def test_any_other_number_of_proxies_is_accepted(settings: Settings, count: int) -> None:
    settings.TRUSTED_PROXIES = count
    assert ids() == []


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"])
def test_no_variable_of_aws_sends_keys_in_the_clear(
    production: Settings, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    production.ROOT_KEY_URL = "awskms:///alias/identity-privacy?region=eu-central-1"
    monkeypatch.setenv(variable, "http://127.0.0.1:4566")
    assert ids() == ["identity_privacy.E009"]
    monkeypatch.setenv(variable, "http://kms.example.com")
    assert ids() == ["identity_privacy.E009", "identity_privacy.E010"]
    with pytest.raises(RootKeyUnavailable, match="https"):
        provider()
    monkeypatch.setenv(variable, "https://kms.example.com")
    assert ids() == []


def test_no_configuration_file_of_aws_sends_keys_in_the_clear(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://kms.example.com\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):  # or boto3 would ask the machine for them
        monkeypatch.setenv(name, "made up")
    settings.ROOT_KEY_URL = "awskms:///alias/identity-privacy?region=eu-central-1"
    with pytest.raises(RootKeyUnavailable, match="https"):
        provider().wrap(b"k" * 32, b"one")


def test_a_root_key_is_tried_before_it_is_relied_on(settings: Settings, tmp_path: Path) -> None:
    assert check_root_key() == []
    settings.ROOT_KEY_URL = f"file://{tmp_path}/root-key.json"
    [finding] = check_root_key()
    assert finding.id == "identity_privacy.E011"
    assert "keys init" in finding.msg


# --- Nothing starts under them ------------------------------------------------------------------------

CELERY = ("-m", "celery", "--app", "identity_privacy.celery")
STARTS = {
    "web": ("-m", "gunicorn", "--bind", "127.0.0.1:0", "identity_privacy.wsgi"),
    "worker": (*CELERY, "worker", "--pool", "threads"),
    "beat": (*CELERY, "beat", "--pidfile="),
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_no_process_starts_under_settings_of_development(tmp_path: Path, start: tuple[str, ...]) -> None:
    everything_wrong = {
        "PRODUCTION": "1",
        "DEBUG": "1",
        "ALLOW_LOOPBACK_PARTNERS": "1",
        "CLOCK_OFFSET_SECONDS": "99",
        "ROOT_KEY_PREVIOUS_URL": "vault+http://localhost:8200/transit/identity-privacy",
        "VAR_DIR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path}/one.sqlite3",
        "DATABASE_KEYS_URL": f"sqlite:///{tmp_path}/one.sqlite3",
        "DJANGO_SETTINGS_MODULE": "identity_privacy.settings",
    }
    started = subprocess.run(
        [sys.executable, *start],
        env={**os.environ, **everything_wrong},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert started.returncode == 3, started.stderr
    for number in range(1, 10):
        assert started.stderr.count(f"identity_privacy.E00{number}: ") == 1
    assert "Unset CLOCK_OFFSET_SECONDS" in started.stderr
    assert "Traceback" not in started.stderr


def test_a_sound_service_is_not_stopped(db: None) -> None:
    refuse_to_start()


def test_one_database_for_data_and_keys_stops_the_start(tmp_path: Path) -> None:
    one = f"sqlite:///{tmp_path}/one.sqlite3"
    started = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env={**os.environ, "DATABASE_URL": one, "DATABASE_KEYS_URL": one},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 1
    assert "identity_privacy.E006" in started.stderr
    assert "DATABASE_KEYS_URL" in started.stderr


POSTGRES = "django.db.backends.postgresql"
SAME = {"ENGINE": POSTGRES, "HOST": "localhost", "PORT": "", "NAME": "one"}


@pytest.mark.parametrize(
    "other",
    [
        {"PORT": "5432"},
        {"PORT": 5432},
        {"HOST": "127.0.0.1"},
        {"HOST": "127.0.0.2"},
        {"HOST": "::1"},
        {"HOST": ""},
        {"HOST": "LOCALHOST."},
    ],
)
def test_one_database_is_one_however_it_is_spelt(other: dict[str, object]) -> None:
    assert _names_one_database(SAME, {**SAME, **other})


@pytest.mark.parametrize("other", [{"PORT": "5433"}, {"HOST": "db"}, {"NAME": "keys"}])
def test_two_databases_are_two(other: dict[str, object]) -> None:
    assert not _names_one_database(SAME, {**SAME, **other})


def test_one_file_is_one_however_it_is_reached(tmp_path: Path) -> None:
    def file(name: object) -> dict[str, object]:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": name}

    one, other = tmp_path / "one.sqlite3", tmp_path / "other.sqlite3"
    (tmp_path / "folder").symlink_to(tmp_path)
    for is_there in (False, True):
        for name in (str(one), f"{tmp_path}/x/../one.sqlite3", tmp_path / "folder" / one.name, f"file:{one}?mode=rwc"):
            assert _names_one_database(file(one), file(name)), (is_there, name)
        assert not _names_one_database(file(one), file(other))
        one.touch()
        other.touch()
        (tmp_path / "x").mkdir(exist_ok=True)
    other.unlink()
    other.hardlink_to(one)
    assert _names_one_database(file(one), file(other))


@pytest.mark.django_db
def test_the_databases_themselves_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_databases(databases=["default", "keys"]) == []
    if connection.vendor == "postgresql":
        monkeypatch.setattr("identity_privacy.checks.KEYS", "default")
        assert [finding.id for finding in check_databases(databases=["default"])] == ["identity_privacy.E006"]


def test_a_database_whose_transactions_nobody_can_follow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "mysql")
    assert ids() == ["identity_privacy.E012"]


@pytest.mark.django_db
def test_a_dropped_trigger_is_found() -> None:
    assert check_append_only(databases=["default"]) == []
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER audit_entry_no_delete")
        else:
            cursor.execute("DROP TRIGGER audit_entry_append_only ON audit_entry")
    assert [finding.id for finding in check_append_only(databases=["default"])] == ["identity_privacy.E101"]
