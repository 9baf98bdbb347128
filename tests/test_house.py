"""The house stands as drawn: who may import whom, what points where, what migrations and files may hold."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db.models import Model
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parent.parent
# Bottom to top. A relation may point down or stay on its floor.
FLOORS = ["crypto", "audit", "access", "delivery", "profiles", "consent", "dsar"]


def test_imports_keep_the_contracts() -> None:
    assert lint_imports(no_cache=True) == 0, "see what import-linter printed"


def test_no_relation_points_up_a_floor() -> None:
    upward = [
        f"{model._meta.label} → {target._meta.label}"
        for model, target in _relations()
        if _floor(target) > _floor(model)
    ]

    assert upward == []


def test_nothing_but_access_points_to_a_user_row() -> None:
    """Other rows name an actor by a plain value, so that a user's row can go without them."""
    user = apps.get_model("access", "User")

    assert {model._meta.app_label for model, target in _relations() if target is user} <= {"access"}


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True)


def test_migrations_are_named_for_their_effect() -> None:
    unnamed = [path for path in _tracked_files() if re.search(r"/migrations/\w+_auto_\w+\.py$", path)]

    assert unnamed == []


# One letter of each is in brackets, so that this file does not find itself.
FORBIDDEN = re.compile(
    r"pyp[i]\.(org|python)|pythonhoste[d]\.org|npmj[s]\.(org|com)|deb\.debia[n]\.org|unpk[g]\.com|jsdeliv[r]\.net"
    r"|/wor[k]/(main|notes|shared)\b|/roo[t]/\.|\.\./share[d]/|/opt/pyp[i]"
)


def test_no_file_names_a_package_registry_or_a_folder_of_one_machine() -> None:
    found = [
        f"{path}: {match.group()}"
        for path in _tracked_files()
        if (match := FORBIDDEN.search((ROOT / path).read_bytes().decode(errors="ignore")))
    ]

    assert found == []


def _relations() -> Iterator[tuple[type[Model], type[Model]]]:
    """Each foreign key and many-to-many of our models, with the model of ours that it points to."""
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.get_fields():
            target = field.related_model
            if (
                field.concrete
                and isinstance(target, type)
                and {model._meta.app_label, target._meta.app_label} <= set(FLOORS)
            ):
                yield model, target


def _floor(model: type[Model]) -> int:
    return FLOORS.index(model._meta.app_label)


def _tracked_files() -> list[str]:
    # The folder may belong to another user than the one who tests, which git refuses unless told.
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for path in listing.split("\0") if path and (ROOT / path).is_file()]
