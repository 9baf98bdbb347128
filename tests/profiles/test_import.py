"""An import keeps every good row once, whatever happens; repeating it changes nothing."""

import csv
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Model

from identity_privacy.access.models import Controller
from identity_privacy.actors import Actor
from identity_privacy.audit.models import Entry
from identity_privacy.crypto.fields import Sealed
from identity_privacy.crypto.keys import create_data_keys
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.delivery.models import Link, System
from profiles.errors import MappingInvalid
from profiles.models import Attribute, AttributeDefinition, Identifier, Profile
from profiles.rules import BadRow, ImportMapping, Row, parse_mapping
from profiles.services import ImportReport, import_profiles, importing
from profiles.terms import IdentifierKind
from tests.factories import SERVICE, make_controller, make_system

MAPPING = """
source = "till"
record_id = "no"
[identifiers]
email = "mail"
[attributes.given_name]
column = "first name"
label = "First name"
category = "identity"
[links]
shop = "no"
"""
HEADER = ["no", "first name", "mail"]
PEOPLE = [["1", "Alice", "alice@example.org"], ["2", "Bob", "bob@example.org"], ["3", "Carl", ""]]


@pytest.fixture
def lindwerk(db: None) -> Controller:
    return make_controller()


@pytest.fixture
def shop(lindwerk: Controller) -> System:
    return make_system(lindwerk, "shop")


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING)
    return path


def people_file(folder: Path, rows: list[list[str]]) -> Path:
    path = folder / "people.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return path


def run(file: Path, mapping: Path, controller: str = "lindwerk") -> None:
    call_command("import_profiles", str(file), mapping=mapping, controller=controller, verbosity=0)


def rows_of(values: list[list[str]]) -> list[Row]:
    return [Row(line=line, values=dict(zip(HEADER, row, strict=True))) for line, row in enumerate(values, 2)]


def take_in(controller: Controller, rows: Iterable[Row | BadRow]) -> ImportReport:
    columns: ImportMapping = parse_mapping(
        {
            "source": "till",
            "record_id": "no",
            "identifiers": {"email": "mail"},
            "attributes": {"given_name": {"column": "first name", "label": "First name", "category": "identity"}},
        }
    )
    return import_profiles(actor=SERVICE, controller=controller, rows=rows, mapping=columns)


def everything() -> list[tuple[object, ...]]:
    """Every row that an import writes, as it stands in the database."""
    models: list[type[Model]] = [Profile, Identifier, Attribute, AttributeDefinition, Link, DataKey]
    rows = [row for model in models for row in model._default_manager.order_by("pk").values_list()]
    return [tuple(value.sealed if isinstance(value, Sealed) else value for value in row) for row in rows]


def names() -> list[str]:
    with Reading(actor=Actor.service("test"), purpose="test", subject_id=None, reason="test"):
        return [row.value for row in Attribute.objects.order_by("id")]


def test_each_row_becomes_an_encrypted_person_with_identifiers_facts_and_links(
    shop: System, mapping: Path, tmp_path: Path
) -> None:
    run(people_file(tmp_path, PEOPLE), mapping)
    assert Profile.objects.count() == 3
    assert names() == ["Alice", "Bob", "Carl"]
    assert Identifier.objects.filter(kind=IdentifierKind.EMAIL).count() == 2  # Carl has none
    assert Identifier.objects.filter(kind=IdentifierKind.SOURCE_RECORD).count() == 3
    assert Link.objects.filter(system=shop).count() == 3
    assert DataKey.objects.filter(kind=KeyKind.PROFILE).count() == 3, "a key each"
    assert Identifier.objects.naming(shop.controller_id, IdentifierKind.EMAIL, " ALICE@Example.org ").exists()


def test_the_same_file_twice_changes_nothing(
    shop: System, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = people_file(tmp_path, PEOPLE)
    run(file, mapping)
    before = everything()
    capsys.readouterr()
    run(file, mapping)
    assert everything() == before
    assert capsys.readouterr().out == "3 rows: 0 imported, 3 known already\n"


def test_rows_that_cannot_be_used_go_to_a_file_that_only_its_owner_reads(
    shop: System, mapping: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = people_file(
        tmp_path,
        [
            *PEOPLE,
            ["", "Nemo", "nemo@example.org"],
            ["5", "Eve", "not an address"],
            ["1", "Alice again", "alice2@example.org"],
            ["7", "Gus", "gus@example.org"],
        ],
    )
    with file.open("ab") as end:
        end.write(b"8,Only two\n9,\xff\xfe,h@example.org\n")
    rejects = tmp_path / "people.rejects.csv"
    rejects.touch(mode=0o644)
    run(file, mapping)
    with rejects.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
        head, *rows = csv.reader(lines)
    assert head == ["line", "reason", "row"]
    assert sorted(rows) == sorted(
        [
            ["5", "no: no no", ",Nemo,nemo@example.org"],
            ["6", "email: this is not an e-mail address", "5,Eve,not an address"],
            ["7", "no: stands already on line 2", "1,Alice again,alice2@example.org"],
            ["9", "2 values where the header has 3", "8,Only two"],
            ["10", "not UTF-8", "9,\udcff\udcfe,h@example.org"],
        ]
    )
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600
    assert names() == ["Alice", "Bob", "Carl", "Gus"]
    assert capsys.readouterr().out.splitlines() == [
        "9 rows: 4 imported, 0 known already",
        f"5 rows could not be read: see {rejects}",
    ]


def test_a_mended_rejects_row_can_be_imported_afterwards(lindwerk: Controller) -> None:
    report = take_in(lindwerk, rows_of([["5", "Eve", "eve at example.org"]]))
    assert [row.reason for row in report.rejected] == ["email: this is not an e-mail address"]
    assert take_in(lindwerk, rows_of([["5", "Eve", "eve@example.org"]])).created == 1


def test_an_import_that_was_stopped_in_the_middle_goes_on(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 4)
    people = rows_of([[str(number), f"Name {number}", ""] for number in range(10)])

    def breaks_off() -> Iterator[Row]:
        yield from people[:6]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_in(lindwerk, breaks_off())
    assert Profile.objects.count() == 4, "whole chunks only"
    report = take_in(lindwerk, people)
    assert (report.created, report.known) == (6, 4)
    assert sorted(names()) == sorted(row.values["first name"] for row in people)


@pytest.mark.parametrize("step", ["Identifier", "Attribute"])
def test_a_chunk_that_breaks_off_half_written_leaves_nobody_behind(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(getattr(importing, step).objects, "copy_values", breaks)
        with pytest.raises(RuntimeError):
            take_in(lindwerk, rows_of(PEOPLE))
    assert Profile.objects.count() == 0
    assert not Entry.objects.filter(action="profiles.imported").exists()
    assert take_in(lindwerk, rows_of(PEOPLE)).created == 3


def test_who_came_in_through_another_import_meanwhile_is_known(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other import commits between our look at who is known and our write."""

    def and_the_other_comes_first(
        *, kind: KeyKind, controller_id: UUID, owners: Sequence[tuple[UUID, UUID | None]]
    ) -> Sequence[UUID]:
        monkeypatch.setattr(importing, "create_data_keys", create_data_keys)
        assert take_in(lindwerk, rows_of(PEOPLE[:2])).created == 2
        return create_data_keys(kind=kind, controller_id=controller_id, owners=owners)

    monkeypatch.setattr(importing, "create_data_keys", and_the_other_comes_first)
    report = take_in(lindwerk, rows_of(PEOPLE))
    assert (report.created, report.known) == (1, 2)
    assert sorted(names()) == ["Alice", "Bob", "Carl"]


def test_the_same_record_id_at_two_controllers_is_two_people(lindwerk: Controller) -> None:
    other = make_controller("otherwerk", "Otherwerk", "privacy.otherwerk.example")
    assert take_in(lindwerk, rows_of(PEOPLE)).created == 3
    assert take_in(other, rows_of(PEOPLE)).created == 3


def test_an_import_is_entered_in_the_audit_log_without_a_personal_value(lindwerk: Controller) -> None:
    take_in(lindwerk, rows_of(PEOPLE))
    entry = Entry.objects.get(action="profiles.imported")
    assert entry.details == {"source": "till", "count": 3}
    told = repr(list(Entry.objects.values()))
    assert not [value for row in PEOPLE for value in row[1:] if value and value in told]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (('"first name"', '"forename"'), "has no column forename"),
        (("shop =", "till ="), "links: no linked system till"),
        (('record_id = "no"', ""), "record_id: write a text that is not empty"),
        (("email =", "pigeon ="), "identifiers.pigeon: pigeon is not one of email, phone, source_record"),
        (('"identity"', '"shoes"'), "attributes.given_name.category: shoes is not one of"),
        (('label = "First name"', "label = 3"), "attributes.given_name.label: write a text"),
        (("[links]", "[links"), "Expected ']'"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_with_the_place(
    shop: System, mapping: Path, tmp_path: Path, edit: tuple[str, str], message: str
) -> None:
    mapping.write_text(MAPPING.replace(*edit))
    with pytest.raises(CommandError) as refusal:
        run(people_file(tmp_path, PEOPLE), mapping)
    assert message in str(refusal.value)
    assert not Profile.objects.exists()


def test_an_unknown_controller_is_refused_with_those_that_there_are(
    shop: System, mapping: Path, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="no controller lindwork; there is: lindwerk"):
        run(people_file(tmp_path, PEOPLE), mapping, "lindwork")


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 500, b'"' + b"a" * 200_000])
def test_a_file_that_is_no_table_is_refused(shop: System, mapping: Path, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(content)
    with pytest.raises(CommandError):
        run(file, mapping)


def test_a_file_that_is_not_there_is_refused(shop: System, mapping: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        run(tmp_path / "nothing.csv", mapping)


@pytest.mark.parametrize("document", [{}, {"source": 3}, {"attributes": []}, {"attributes": {"a": 1}}, {"links": 4}])
def test_a_mapping_of_any_shape_is_read_or_refused(document: dict[str, object]) -> None:
    with pytest.raises(MappingInvalid):
        parse_mapping(document)


def test_bad_rows_are_reported_in_their_place(lindwerk: Controller) -> None:
    bad = BadRow(line=3, reason="not UTF-8", text="x")
    report = take_in(lindwerk, [*rows_of(PEOPLE), bad])
    assert (report.read, report.created, report.rejected) == (4, 3, [bad])
