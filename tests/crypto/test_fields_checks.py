"""Wrong use of encrypted fields is named when the service starts."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.apps.registry import Apps
from django.contrib.admin import ModelAdmin, TabularInline, site
from django.core.checks import run_checks
from django.db import models
from django.db.models.functions import Lower
from django.test import override_settings
from django.test.utils import isolate_apps

from identity_privacy.crypto.checks import check_encrypted_fields
from identity_privacy.crypto.fields import BlindIndexField, EncryptedTextField, NextBlindIndexField
from identity_privacy.crypto.querysets import SealedQuerySet
from identity_privacy.crypto.rows import SealedModel
from tests.crypto.notebook.models import Contact, Note, Notebook


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[Apps]:
    """Only the models that a test declares."""
    with isolate_apps("tests.crypto.notebook") as apps:
        assert apps is not None
        monkeypatch.setattr("identity_privacy.crypto.checks.apps", apps)
        yield apps


def numbers() -> set[str]:
    found = check_encrypted_fields()
    assert all(finding.hint for finding in found)
    return {str(finding.id).removeprefix("crypto.") for finding in found}


def declared(**options: object) -> type[models.Model]:
    """A right model, but for these options of its Meta."""
    meta = type("Meta", (), {"app_label": "notebook", **options})

    class Page(SealedModel):
        text = EncryptedTextField(place="notebook.page.text", null=True)
        size = models.IntegerField()
        objects = SealedQuerySet.as_manager()
        Meta = meta  # type: ignore[assignment]  # made of the test's options

    return Page


def test_a_right_model_is_right() -> None:
    declared(
        ordering=("-size", models.F("id").asc()),
        indexes=[models.Index(fields=["size"], condition=models.Q(text__isnull=True), name="one")],
        constraints=[models.CheckConstraint(condition=models.Q(size__gt=0) & ~models.Q(text__isnull=True), name="two")],
    )
    assert numbers() == set()


WRONG_OPTIONS: dict[str, Callable[[], dict[str, object]]] = {
    "ordering": lambda: {"ordering": ("size", "-text")},
    "ordering by an expression": lambda: {"ordering": (models.F("text").desc(),)},
    "ordering by a function": lambda: {"ordering": (Lower("text").asc(),)},
    "latest": lambda: {"get_latest_by": "text"},
    "latest of several": lambda: {"get_latest_by": ["size", "-text"]},
    "unique together": lambda: {"unique_together": [("size", "text")]},
    "index": lambda: {"indexes": [models.Index(fields=["-text"], name="one")]},
    "index of an expression": lambda: {"indexes": [models.Index(Lower("text"), name="one")]},
    "index that includes": lambda: {"indexes": [models.Index(fields=["size"], include=["text"], name="one")]},
    "index with a condition": lambda: {
        "indexes": [models.Index(fields=["size"], condition=models.Q(text="Lisbon"), name="one")]
    },
    "unique constraint": lambda: {"constraints": [models.UniqueConstraint(fields=["size", "text"], name="one")]},
    "unique constraint of an expression": lambda: {"constraints": [models.UniqueConstraint(Lower("text"), name="one")]},
    "check constraint": lambda: {
        "constraints": [models.CheckConstraint(condition=~models.Q(models.Q(text__gt=""), size=1), name="one")]
    },
}


@pytest.mark.parametrize("what", WRONG_OPTIONS)
def test_a_model_does_not_compare_sealed_values(what: str) -> None:
    declared(**WRONG_OPTIONS[what]())
    assert numbers() == {"E101"}


def test_another_model_does_not_order_by_them_either() -> None:
    target = declared()

    class Mark(models.Model):
        page = models.ForeignKey(target, on_delete=models.CASCADE)

        class Meta:
            app_label = "notebook"
            ordering = ("page__text",)

        def __str__(self) -> str:
            return ""

    assert numbers() == {"E101"}


@pytest.mark.parametrize("options", [{"db_index": True}, {"unique": True}, {"db_default": "Lisbon"}])
def test_an_encrypted_field_is_neither_indexed_nor_unique_nor_made_by_the_database(options: dict[str, object]) -> None:
    class Page(SealedModel):
        text = EncryptedTextField(place="notebook.page.text", **options)
        objects = SealedQuerySet.as_manager()

        class Meta:
            app_label = "notebook"

    assert numbers() == {"E102"}


def test_a_row_has_its_id_before_the_insert_and_a_data_key() -> None:
    class Plain(models.Model):
        text = EncryptedTextField(place="notebook.plain.text")
        objects = SealedQuerySet.as_manager()

        class Meta:
            app_label = "notebook"

        def __str__(self) -> str:
            return ""

    class Counted(SealedModel):
        id = models.BigAutoField(primary_key=True)  # type: ignore[assignment]  # that is what is wrong
        text = EncryptedTextField(place="notebook.counted.text")
        objects = SealedQuerySet.as_manager()

        class Meta:
            app_label = "notebook"

    class Named(SealedModel):
        id = models.UUIDField(primary_key=True)
        text = EncryptedTextField(place="notebook.named.text")
        objects = SealedQuerySet.as_manager()

        class Meta:
            app_label = "notebook"

    class Keyless(SealedModel):
        data_key_id = models.UUIDField()
        text = EncryptedTextField(place="notebook.keyless.text")
        objects = SealedQuerySet.as_manager()

        class Meta:
            app_label = "notebook"

    assert [(finding.id, finding.obj) for finding in check_encrypted_fields()] == [
        ("crypto.E103", model) for model in (Plain, Counted, Named, Keyless)
    ]


def test_a_model_that_extends_another_is_right() -> None:
    page = declared()

    class Cover(page):  # type: ignore[valid-type,misc]  # made above
        title = EncryptedTextField(place="notebook.cover.title")
        objects = SealedQuerySet.as_manager()

        class Meta:
            app_label = "notebook"

    assert numbers() == set()


def test_the_default_manager_makes_sealed_query_sets() -> None:
    class Page(SealedModel):
        text = EncryptedTextField(place="notebook.page.text")

        class Meta:
            app_label = "notebook"

    assert numbers() == {"E104"}


def index_of(**options: object) -> None:
    class Person(SealedModel):
        controller_id = models.UUIDField()
        kind = models.CharField(max_length=8)
        email = EncryptedTextField(place="notebook.person.email")
        index = BlindIndexField(**{"of": "email", "kind": "email", **options})  # type: ignore[arg-type]  # some are wrong
        next_index = NextBlindIndexField(of="index")
        objects = SealedQuerySet.as_manager()

        class Meta:
            app_label = "notebook"


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ({"of": "kind"}, "E105"),
        ({"of": "phone"}, "E105"),
        ({"kind": ""}, "E106"),
        ({"kind": "email", "kind_field": "kind"}, "E106"),
        ({"kind": "", "kind_field": "sort"}, "E107"),
        ({"controller_field": "brand_id"}, "E107"),
    ],
)
def test_a_blind_index_names_what_there_is(options: dict[str, object], number: str) -> None:
    index_of(**options)
    assert numbers() == {number}


def test_a_blind_index_whose_key_cannot_be_rotated_is_named() -> None:
    class Person(SealedModel):
        controller_id = models.UUIDField()
        email = EncryptedTextField(place="notebook.person.email")
        index = BlindIndexField(of="email", kind="email")
        objects = SealedQuerySet.as_manager()

        class Meta:
            app_label = "notebook"

    assert numbers() == {"E108"}


def test_an_index_of_what_can_be_null_can_be_null(isolated: Apps) -> None:
    class Person(SealedModel):
        email = EncryptedTextField(place="notebook.person.email", null=True)
        controller_id = models.UUIDField()
        index = BlindIndexField(of="email", kind="email")
        next_index = NextBlindIndexField(of="index")
        objects = SealedQuerySet.as_manager()

        class Meta:
            app_label = "notebook"

    assert numbers() == {"E114"}


def test_a_manager_that_leaves_rows_out_is_named(isolated: Apps) -> None:
    class Present(models.Manager.from_queryset(SealedQuerySet)):  # type: ignore[misc]  # made by Django
        def get_queryset(self) -> SealedQuerySet[Any]:
            found: SealedQuerySet[Any] = super().get_queryset().filter(gone=False)
            return found

    class Person(SealedModel):
        email = EncryptedTextField(place="notebook.person.email")
        gone = models.BooleanField(default=False)
        objects = Present()

        class Meta:
            app_label = "notebook"
            base_manager_name = "objects"

    class Other(SealedModel):
        email = EncryptedTextField(place="notebook.other.email")
        gone = models.BooleanField(default=False)
        objects = SealedQuerySet.as_manager()
        present = Present()

        class Meta:
            app_label = "notebook"

    found = [(str(finding.id), finding.msg.split()[1]) for finding in check_encrypted_fields()]
    assert found == [("crypto.W115", "base"), ("crypto.W115", "default")]


def test_a_unique_index_has_its_twin() -> None:
    class Person(SealedModel):
        controller_id = models.UUIDField()
        email = EncryptedTextField(place="notebook.person.email")
        index = BlindIndexField(of="email", kind="email")
        next_index = NextBlindIndexField(of="index")
        objects = SealedQuerySet.as_manager()

        class Meta:
            app_label = "notebook"
            constraints = (models.UniqueConstraint(fields=["controller_id", "index"], name="one"),)

    assert numbers() == {"E109"}


@pytest.mark.parametrize("place", ["", "notebook.seite.wörter", "x" * 101, "two\nlines"])
def test_a_place_can_be_written_down(place: str) -> None:
    try:
        field = EncryptedTextField(place=place)
    except UnicodeEncodeError:
        return  # refused even earlier

    class Page(SealedModel):
        text = field
        objects = SealedQuerySet.as_manager()

        class Meta:
            app_label = "notebook"

    assert numbers() == {"E110"}


def test_a_place_is_one_columns_only() -> None:
    class Page(SealedModel):
        text = EncryptedTextField(place="notebook.page.text")
        title = EncryptedTextField(place="notebook.page.text")
        objects = SealedQuerySet.as_manager()

        class Meta:
            app_label = "notebook"

    assert numbers() == {"E111"}


MIGRATION = """
from django.db import migrations, models
from identity_privacy.crypto.fields import EncryptedDateField, EncryptedTextField
class Migration(migrations.Migration):
    operations = [{operations}]
"""


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Writes an app's migrations, each the text of its operations."""
    name = f"migrations_{uuid4().hex}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def write(*each: str) -> None:
        for at, operations in enumerate(each, 1):
            (tmp_path / name / f"{at:04}_change.py").write_text(MIGRATION.format(operations=operations))

    with override_settings(MIGRATION_MODULES={"notebook": name}):
        yield write
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


CREATED = (
    "migrations.CreateModel('Page', [('id', models.UUIDField(primary_key=True)),"
    " ('text', EncryptedTextField(place='{place}'))])"
)


def test_a_place_is_never_changed(migrations: Callable[..., None]) -> None:
    migrations(
        CREATED.format(place="notebook.page.words"),
        "migrations.AlterField('page', 'text', EncryptedTextField(place='notebook.page.text'))",
    )
    declared()
    assert numbers() == {"E112"}


def test_a_column_stays_of_its_kind(migrations: Callable[..., None]) -> None:
    """Else a text would be read as a date, and stand in the error."""
    as_date = CREATED.format(place="notebook.page.text").replace("EncryptedTextField", "EncryptedDateField")
    migrations(as_date, "migrations.AlterField('page', 'text', EncryptedTextField(place='notebook.page.text'))")
    declared()
    assert numbers() == {"E112"}


def test_a_class_of_the_apps_own_is_of_the_kind_that_it_derives_from(migrations: Callable[..., None]) -> None:
    migrations(CREATED.format(place="notebook.page.text"))

    class ShortText(EncryptedTextField):
        pass

    class Page(SealedModel):
        text = ShortText(place="notebook.page.text")
        objects = SealedQuerySet.as_manager()

        class Meta:
            app_label = "notebook"

    assert numbers() == set()


def test_a_place_stays_with_a_column_that_is_renamed(migrations: Callable[..., None]) -> None:
    migrations(
        CREATED.format(place="notebook.sheet.words").replace("'text'", "'words'").replace("'Page'", "'Sheet'"),
        "migrations.RenameField('sheet', 'words', 'text'), migrations.RenameModel('Sheet', 'Page')",
    )

    class Page(SealedModel):
        text = EncryptedTextField(place="notebook.sheet.words")
        objects = SealedQuerySet.as_manager()

        class Meta:
            app_label = "notebook"

    assert numbers() == set()


def test_a_renamed_column_does_not_take_a_new_place(migrations: Callable[..., None]) -> None:
    migrations(
        CREATED.format(place="notebook.page.words").replace("'text'", "'words'"),
        "migrations.SeparateDatabaseAndState([], [migrations.RenameField('page', 'words', 'text')])",
    )
    declared()
    assert numbers() == {"E112"}


def test_the_place_of_a_column_that_is_gone_is_not_taken_again(migrations: Callable[..., None]) -> None:
    migrations(
        CREATED.format(place="notebook.page.text").replace("'text'", "'words'"),
        "migrations.RemoveField('page', 'words')",
        "migrations.AddField('page', 'text', EncryptedTextField(place='notebook.page.text'))",
    )
    declared()
    assert numbers() == {"E111"}


def test_a_column_of_an_app_that_is_not_migrated_yet_is_right(migrations: Callable[..., None]) -> None:
    migrations()
    declared()
    assert numbers() == set()


def register(monkeypatch: pytest.MonkeyPatch, model: type[models.Model], page: object) -> None:
    pages: dict[Any, Any] = site._registry
    monkeypatch.setitem(pages, model, page)


@pytest.mark.parametrize(
    "options",
    [
        {"list_display": ("position", "text")},
        {"list_filter": ("position", "day")},
        {"list_filter": (("day", object),)},
        {"search_fields": ("^text",)},
        {"ordering": ("-text",)},
        {"readonly_fields": ("text",)},
        {"fields": ("position", ("text", "day"))},
        {"fieldsets": ((None, {"fields": ("text",)}),)},
        {},
    ],
)
def test_no_page_of_the_admin_shows_a_sealed_value(
    options: dict[str, object], isolated: Apps, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = type("NoteAdmin", (ModelAdmin,), options)
    monkeypatch.setattr(isolated, "get_models", lambda: [Note])
    register(monkeypatch, Note, page(Note, site))
    assert numbers() == {"E113"}


@pytest.mark.parametrize("options", [{}, {"fields": ("position", "text")}, {"readonly_fields": ("remark",)}])
def test_no_inline_of_the_admin_shows_a_sealed_value(
    options: dict[str, object], isolated: Apps, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline = type("NoteInline", (TabularInline,), {"model": Note, **options})
    page = type("NotebookAdmin", (ModelAdmin,), {"inlines": [inline]})
    monkeypatch.setattr(isolated, "get_models", lambda: [Notebook])
    register(monkeypatch, Notebook, page(Notebook, site))
    assert numbers() == {"E113"}


def test_an_inline_of_the_admin_that_leaves_them_out_is_right(isolated: Apps, monkeypatch: pytest.MonkeyPatch) -> None:
    inline = type("NoteInline", (TabularInline,), {"model": Note, "fields": ("position",)})
    page = type("NotebookAdmin", (ModelAdmin,), {"inlines": [inline]})
    monkeypatch.setattr(isolated, "get_models", lambda: [Notebook])
    register(monkeypatch, Notebook, page(Notebook, site))
    assert numbers() == set()


def test_a_page_of_the_admin_that_leaves_them_out_is_right(isolated: Apps, monkeypatch: pytest.MonkeyPatch) -> None:
    class ContactAdmin(ModelAdmin[Contact]):
        list_display = ("id", "note")
        search_fields = ("note__notebook__title",)

    class NoteAdmin(ModelAdmin[Note]):
        exclude = ("text", "day", "details")

    monkeypatch.setattr(isolated, "get_models", lambda: [Note, Contact])
    register(monkeypatch, Contact, ContactAdmin(Contact, site))
    register(monkeypatch, Note, NoteAdmin(Note, site))
    assert numbers() == set()


def test_a_page_of_the_admin_does_not_search_through_a_relation(
    isolated: Apps, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ContactAdmin(ModelAdmin[Contact]):
        search_fields = ("note__text__icontains",)

    monkeypatch.setattr(isolated, "get_models", lambda: [Contact])
    register(monkeypatch, Contact, ContactAdmin(Contact, site))
    assert numbers() == {"E113"}


def test_the_services_own_models_are_right_and_checking_them_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert [finding for finding in run_checks() if str(finding.id).startswith("crypto.")] == []
    started = time.perf_counter()
    check_encrypted_fields()
    assert time.perf_counter() - started < 0.1
