"""What stops the start."""

from pathlib import Path

from django.core.checks import run_checks
from pytest_django import Settings


def test_a_file_of_sign_in_providers_that_cannot_be_read_is_refused(settings: Settings, tmp_path: Path) -> None:
    settings.SIGN_IN_PROVIDERS = str(tmp_path / "absent.toml")

    [found] = [one for one in run_checks() if one.id == "access.E001"]
    assert found.msg == "the file of SIGN_IN_PROVIDERS cannot be read: No such file or directory"
