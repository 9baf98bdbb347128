"""Start-up checks: what must not go into production, each with what to do."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, run_checks
from django.db import DEFAULT_DB_ALIAS, DatabaseError, OperationalError, connections

from identity_privacy.crypto.errors import RootKeyUnavailable
from identity_privacy.crypto.providers import (
    goes_in_the_clear,
    is_loopback,
    misconfigured,
    root_key_path,
    try_root_key,
)
from identity_privacy.crypto.router import KEYS
from identity_privacy.crypto.transactions import VENDORS

# gunicorn's own status for a worker that cannot start: it ends, where after any other it starts the next one for ever.
CANNOT_START: Final = 3
# Nobody has more proxies one behind the other; a larger number is a port or a year.
MOST_PROXIES: Final = 10
# Mail that a process writes where logs, or nobody, read it; it holds sign-in codes.
UNSENT_MAIL: Final = {
    f"django.core.mail.backends.{name}.EmailBackend" for name in ("console", "filebased", "locmem", "dummy")
}


def refuse_to_start() -> None:
    """End this process, with a line for each reason, where a start-up check that needs no database finds an error.

    For web, worker and beat: only management commands run the checks by themselves.
    """
    _end_for(_reasons(run_checks()))


def refuse_to_work() -> None:
    """End this process, a worker or beat, where a restore has undone what it would act on: see `audit.continuity`."""
    try:
        _end_for(not_continued())
    except DatabaseError as error:  # it would work once the database is there, unchecked
        _end_for([f"whether the audit log goes on cannot be seen: {type(error).__name__}. Start again once it can."])


def not_continued() -> list[str]:
    """Why the audit log does not go on from what was signed, if it does not. Raises: DatabaseError."""
    return _reasons(run_checks(tags=["continuity"], databases=[DEFAULT_DB_ALIAS, KEYS]))


def _reasons(findings: Iterable[CheckMessage]) -> list[str]:
    errors = [found for found in findings if found.is_serious() and not found.is_silenced()]
    return [f"{found.id}: {found.msg.rstrip('.')}. {found.hint or ''}" for found in errors]


def _end_for(reasons: Sequence[str]) -> None:
    for reason in reasons:
        sys.stderr.write(f"{reason}\n")
    if reasons:
        sys.exit(CANNOT_START)


def check_settings(*, app_configs: Sequence[AppConfig] | None = None, **_: object) -> list[CheckMessage]:
    """E001 to E005, E007 to E009: for development, refused where `PRODUCTION` is set; the others always."""
    findings: list[tuple[bool, str, str, str]] = [
        (
            settings.SECRET_KEY == settings.DEVELOPMENT_SECRET_KEY,
            "E001",
            "SECRET_KEY is the development's",
            "Set SECRET_KEY to 50 random characters.",
        ),
        (
            settings.CLOCK_OFFSET_SECONDS != 0,
            "E002",
            "the clock is moved",
            "Unset CLOCK_OFFSET_SECONDS: the law's dates are reckoned by it.",
        ),
        (
            settings.ALLOW_LOOPBACK_PARTNERS,
            "E003",
            "linked systems on this machine are allowed",
            "Unset ALLOW_LOOPBACK_PARTNERS: it opens this machine's own services to whoever names an endpoint.",
        ),
        (settings.DEBUG, "E004", "DEBUG is on", "Unset DEBUG: its error pages show what they must not."),
        (
            settings.CELERY_BROKER_URL.startswith("embedded://"),
            "E005",
            "the broker is the embedded one",
            "Set CELERY_BROKER_URL to RabbitMQ or Redis.",
        ),
        (
            settings.EMAIL_BACKEND in UNSENT_MAIL,
            "E007",
            "mail is written down and not sent",
            "Set EMAIL_URL to a mail server: mail holds sign-in codes, which must not stand in a log.",
        ),
        (
            _root_key_is_in_var(),
            "E008",
            "the root key lies in VAR_DIR, beside the databases,",
            "Set ROOT_KEY_URL to a file elsewhere, or to env://: who copies one folder must not hold data and keys.",
        ),
        (
            any(goes_in_the_clear(url) for url in (settings.ROOT_KEY_URL, settings.ROOT_KEY_PREVIOUS_URL)),
            "E009",
            "keys go to the key management service in the clear",
            "Write vault+https://, with VAULT_CACERT where Vault's certificate is your own; for AWS KMS an https "
            "`endpoint`, AWS_ENDPOINT_URL_KMS and AWS_ENDPOINT_URL.",
        ),
    ]
    errors: list[CheckMessage] = [
        Error(f"{message} in production", hint=hint, id=f"identity_privacy.{number}")
        for wrong, number, message, hint in findings
        if settings.PRODUCTION and wrong
    ]
    if _names_one_database(settings.DATABASES["default"], settings.DATABASES[KEYS]):
        errors.append(_in_one_database())
    errors += [
        Error(
            f"the database {alias} is {connections[alias].vendor}",
            hint="Use PostgreSQL or SQLite: on no other is it known when a writer has ended who may use an old key.",
            id="identity_privacy.E012",
        )
        for alias in settings.DATABASES
        if connections[alias].vendor not in VENDORS
    ]
    if not 0 <= settings.TRUSTED_PROXIES <= MOST_PROXIES:
        errors.append(
            Error(
                f"TRUSTED_PROXIES is {settings.TRUSTED_PROXIES}",
                hint=f"Set it to how many of your own proxies a request passes, 0 to {MOST_PROXIES}: by a wrong number "
                "the audit log names the network that a client made up, or none.",
                id="identity_privacy.E014",
            )
        )
    if problem := misconfigured():
        errors.append(
            Error(
                problem,
                hint="docs/howto/kms.md says how each is written and what it needs.",
                id="identity_privacy.E010",
            )
        )
    return errors


def check_databases(*, databases: Iterable[str] | None = None, **_: object) -> list[CheckMessage]:
    """E006 again, as the databases themselves know it, whatever they are called; with `check --database`."""
    if not {DEFAULT_DB_ALIAS, KEYS} & set(databases or ()):
        return []
    if {connections[alias].vendor for alias in (DEFAULT_DB_ALIAS, KEYS)} != {"postgresql"}:
        return []  # files are compared without asking
    try:
        is_one = _identity(DEFAULT_DB_ALIAS) == _identity(KEYS)
    except OperationalError:
        return []  # one of them is not there yet
    return [_in_one_database()] if is_one else []


def check_root_key(*, app_configs: Sequence[AppConfig] | None = None, **_: object) -> list[CheckMessage]:
    """E011, with `check --deploy` alone: the root key is tried, which asks the key management service."""
    try:
        try_root_key()
    except RootKeyUnavailable as error:
        return [
            Error(
                f"the root key cannot be used: {error}",
                hint="docs/howto/kms.md says what each provider needs.",
                id="identity_privacy.E011",
            )
        ]
    return []


def _root_key_is_in_var() -> bool:
    try:
        path = root_key_path()
    except RootKeyUnavailable:
        return False  # it is nowhere: its first use says so
    return path is not None and path.resolve().is_relative_to(settings.VAR_DIR.resolve())


def _in_one_database() -> Error:
    return Error(
        "data and keys are in one database",
        hint="Set DATABASE_KEYS_URL to a database of its own: who holds both needs only the root key.",
        id="identity_privacy.E006",
    )


def _names_one_database(data: Mapping[str, object], keys: Mapping[str, object]) -> bool:
    if data["ENGINE"] != keys["ENGINE"]:
        return False
    if "sqlite" not in str(data["ENGINE"]):
        return _address(data) == _address(keys)
    # Also as a URI of SQLite's own.
    one, other = (Path(str(one["NAME"]).removeprefix("file:").partition("?")[0]) for one in (data, keys))
    try:
        return one.samefile(other)
    except OSError:  # not there yet, or in memory
        return one.resolve() == other.resolve()


def _address(database: Mapping[str, object]) -> tuple[str, str, str]:
    """Where a database of a server is, spelled in one way."""
    host, port = str(database.get("HOST") or os.environ.get("PGHOST", "")), str(database.get("PORT") or "")
    is_here = not host or is_loopback(host)
    return "" if is_here else host.lower().rstrip("."), port or os.environ.get("PGPORT", "5432"), str(database["NAME"])


def _identity(alias: str) -> tuple[object, ...]:
    """What tells one database from any other: no two servers begin in the same microsecond. Needs no special right."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_postmaster_start_time(), current_database()")
        return tuple(cursor.fetchone())
