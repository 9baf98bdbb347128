"""A wrong setting stops the start with its name and what to write, and never shows its value."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from identity_privacy.environment import Environment

env = Environment()


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("maybe", lambda: env.bool("X", default=False)),
        ("ten", lambda: env.int("X", default=1)),
        ("", lambda: env.int("X", default=1)),
        ("fast", lambda: env.float("X", default=1.0)),
        ("-3", lambda: env.days("X", 30)),
        ("99999999999999", lambda: env.days("X", 30)),
        ("0", lambda: env.at_least_one("X", 600)),
        ("nope", lambda: env.url_of("X", "https://x", schemes=("https",))),
        ("ftp://x", lambda: env.url_of("X", "https://x", schemes=("https",))),
        ("LOUD", lambda: env.one_of("X", "INFO", words=("INFO",))),
        ("foo", lambda: env.mail("X", "consolemail://")),
        ("foo", lambda: env.database("X", "sqlite:////tmp/x")),
        ("postgres://host", lambda: env.database("X", "sqlite:////tmp/x")),
    ],
)
def test_a_wrong_value_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, value: str, read: Callable[[], object]
) -> None:
    monkeypatch.setenv("X", value)
    with pytest.raises(ImproperlyConfigured, match="X must ") as wrong:
        read()
    assert not value or value not in str(wrong.value)


@pytest.mark.parametrize(("word", "meaning"), [("true", True), ("On", True), ("1", True), ("no", False), ("0", False)])
def test_yes_and_no_are_read(monkeypatch: pytest.MonkeyPatch, word: str, meaning: bool) -> None:
    monkeypatch.setenv("X", word)
    assert env.bool("X", default=not meaning) is meaning


def test_a_secret_is_read_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush")
    monkeypatch.setenv("Y_FILE", str(tmp_path / "secret"))
    assert env.str("Y") == "hush"
    monkeypatch.setenv("Z_FILE", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match="Z_FILE cannot be read"):
        env.str("Z")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("KEYS_BACKUP_DAYS", "soon", "a setting is wrong: KEYS_BACKUP_DAYS must be a whole number"),
        ("DATABASE_URL", "sqlite:////tmp/identity-privacy-is-not-here/x", "the database cannot be used"),
    ],
)
def test_a_command_says_it_in_one_line(name: str, value: str, said: str) -> None:
    ran = subprocess.run(
        [sys.executable, "manage.py", "audit", "verify"],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "identity_privacy.settings", name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith(said)
    assert ran.stderr.count("\n") == 1
