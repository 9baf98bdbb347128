"""Fixtures hold sealed values, and open ones only where somebody said why."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from django.core import serializers
from django.core.management import call_command
from django.core.management.base import CommandError

from identity_privacy.audit.models import Entry
from identity_privacy.crypto.blind_index import blind_indexes
from identity_privacy.crypto.destruction import destroy_subject_keys
from identity_privacy.crypto.errors import KeyDestroyed, OpenedWithoutReading, WrongPlace
from identity_privacy.crypto.fields.base import SEALED_TEXT
from identity_privacy.crypto.reading import active
from tests.crypto.notebook.factories import DAY, make_contact, make_key, make_note, reading
from tests.crypto.notebook.models import Contact, Note, Notebook

pytestmark = pytest.mark.django_db

FORMATS = ["json", "xml", "jsonl"]
VALUES: Final[dict[str, Any]] = {"text": 'Lisbon <&> "Porto"\n\t\U0001f327', "details": {"rain": [1, None, "sealed"]}}
OPEN = ("--open", "--reason", "move to another service")


def dump(folder: Path, kind: str, *more: str) -> Path:
    path = folder / f"notebook.{kind}"
    call_command("dumpdata", "notebook", "--format", kind, "--output", str(path), *more, verbosity=0)
    return path


def load(path: Path) -> None:
    call_command("loaddata", str(path), verbosity=0)


def forget_all() -> None:
    for model in (Contact, Note, Notebook):
        model.objects.all().delete()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_fixture_is_sealed_and_loads_again(tmp_path: Path, kind: str) -> None:
    shop = uuid4()
    note = make_note(**VALUES)
    contact = make_contact("alice@example.org", controller_id=shop)
    path = dump(tmp_path, kind)
    written = path.read_text()
    assert "Lisbon" not in written
    assert "rain" not in written
    assert str(DAY) not in written
    assert "alice" not in written
    forget_all()
    load(path)
    with reading():
        found = Note.objects.get(id=note.id)
        assert (found.text, found.day, found.details) == (VALUES["text"], DAY, VALUES["details"])
        assert (found.drawing, found.remark) == (b"\x00\xff", None)
        [again] = Contact.objects.filter(index__in=blind_indexes(shop, "email", "alice@example.org"))
        assert (again, again.email) == (contact, "alice@example.org")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_fixture_is_open_where_somebody_says_why(tmp_path: Path, kind: str) -> None:
    shop = uuid4()
    note = make_note(**VALUES)
    make_contact("alice@example.org", controller_id=shop)
    path = dump(tmp_path, kind, *OPEN)
    assert "Lisbon" in path.read_text()
    assert str(DAY) in path.read_text()
    entry = Entry.objects.order_by("-id")[0]
    assert (entry.action, entry.reason) == ("personal_data.read", "move to another service")
    forget_all()
    load(path)
    with reading():
        found = Note.objects.get(id=note.id)
        assert (found.text, found.day, found.details) == (VALUES["text"], DAY, VALUES["details"])
        assert (found.drawing, found.remark) == (b"\x00\xff", None)
    assert Contact.objects.filter(index__in=blind_indexes(shop, "email", "alice@example.org")).count() == 1


@pytest.mark.parametrize("details", [7, 1.5, True, "text", "[1]", [], {}, [None]])
@pytest.mark.parametrize("more", [(), OPEN], ids=["sealed", "open"])
def test_every_json_value_comes_back_as_what_it_was(tmp_path: Path, details: object, more: tuple[str, ...]) -> None:
    note = make_note(details=details)
    path = dump(tmp_path, "json", *more)
    load(path)
    with reading():
        found = Note.objects.get(id=note.id).details
    assert (type(found), found) == (type(details), details)


def test_without_a_reason_nothing_is_opened(tmp_path: Path) -> None:
    make_note()
    with pytest.raises(CommandError, match="--reason"):
        dump(tmp_path, "json", "--open")
    assert not (tmp_path / "notebook.json").exists()
    assert active.get() is None


def test_a_fixture_is_never_written_of_opened_rows() -> None:
    note = make_note()
    with reading():
        assert note.day == DAY
    for kind in FORMATS:
        with pytest.raises((Exception,)) as refused:
            serializers.serialize(kind, [note])
        assert str(DAY) not in str(refused.value)


def test_rows_serialised_by_hand_are_sealed_too() -> None:
    make_note()
    for kind in ("json", "jsonl", "python"):
        assert "Lisbon" not in str(serializers.serialize(kind, Note.objects.all()))


def changed(path: Path, change: Callable[[dict[str, dict[str, str]]], None]) -> Path:
    rows = json.loads(path.read_text())
    change(next(row for row in rows if row["model"] == "notebook.note"))
    path.write_text(json.dumps(rows))
    return path


def test_a_sealed_value_is_loaded_into_no_other_row(tmp_path: Path) -> None:
    make_note()
    other = str(uuid4())
    path = changed(dump(tmp_path, "json"), lambda row: row.update(pk=other))  # type: ignore[call-overload]
    with pytest.raises(WrongPlace, match=other):
        load(path)


def test_a_sealed_value_is_loaded_under_no_other_key(tmp_path: Path) -> None:
    make_note()
    key_id = str(make_key())
    path = changed(dump(tmp_path, "json"), lambda row: row["fields"].update(data_key_id=key_id))
    with pytest.raises(WrongPlace, match=r"notebook\.Note"):
        load(path)


def test_a_sealed_value_is_loaded_into_no_other_column(tmp_path: Path) -> None:
    make_note(remark="by train")
    path = changed(dump(tmp_path, "json"), lambda row: row["fields"].update(text=row["fields"]["remark"]))
    with pytest.raises(WrongPlace):
        load(path)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_loaded_under_a_destroyed_key(tmp_path: Path) -> None:
    subject_id = uuid4()
    note = make_note(data_key_id=make_key(subject_id))
    path = dump(tmp_path, "json")
    destroy_subject_keys(subject_id)
    with pytest.raises(KeyDestroyed, match=str(note.id)):
        load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("day", "Lisbon"), ("text", SEALED_TEXT + "Lisbon"), ("details", "{Lisbon"), ("drawing", "Lisbon!")],
)
def test_a_value_that_cannot_be_read_is_named_and_not_shown(tmp_path: Path, name: str, value: str) -> None:
    note = make_note()
    path = changed(dump(tmp_path, "json", *OPEN), lambda row: row["fields"].update({name: value}))
    with pytest.raises(CommandError, match=str(note.id)) as refused:
        load(path)
    assert "Lisbon" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_other_models_are_dumped_and_loaded_as_ever(tmp_path: Path) -> None:
    Notebook.objects.create(title="Travels", controller_id=UUID(int=9))
    path = dump(tmp_path, "json")
    assert "Travels" in path.read_text()
    path.write_text(path.read_text().replace('"00000000', '"x'))
    with pytest.raises(Exception, match="notebook"):
        load(path)


def test_an_open_fixture_to_the_screen_is_a_reading_too() -> None:
    make_note()
    shown = io.StringIO()
    call_command("dumpdata", "notebook.note", *OPEN, stdout=shown)
    assert "Lisbon" in shown.getvalue()
    with pytest.raises(OpenedWithoutReading):
        _ = Note.objects.get().text
