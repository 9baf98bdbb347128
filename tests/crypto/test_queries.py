"""A query that would compare sealed values is refused when it is built; it never answers wrongly."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.core.exceptions import FieldError
from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    F,
    Max,
    Min,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
    Window,
)
from django.db.models.functions import Cast, Coalesce, Concat, Length, Rank, Upper
from django.test.utils import CaptureQueriesContext

from tests.crypto.notebook.factories import make_note, unsaved_note
from tests.crypto.notebook.models import Contact, Note, Notebook

pytestmark = pytest.mark.django_db

LOOKUPS = sorted({*CharField().get_lookups(), "date", "year", "length"} - {"isnull"})
notes: QuerySet[Note] = Note.objects.all()


@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.parametrize("way", ["filter", "exclude", "get"])
def test_no_lookup_compares_a_value(way: str, lookup: str) -> None:
    with pytest.raises(FieldError, match="encrypted"):
        getattr(notes, way)(**{f"text__{lookup}": "Lisbon"})


@pytest.mark.parametrize("name", ["text", "day", "details", "drawing", "remark"])
def test_no_encrypted_field_is_filtered(name: str) -> None:
    with pytest.raises(FieldError, match="encrypted"):
        notes.filter(**{name: "Lisbon"})
    with pytest.raises(FieldError, match="encrypted"):
        notes.filter(Q(position=1) | ~Q(**{name: None}))
    with pytest.raises(FieldError, match="encrypted"):
        Notebook.objects.filter(**{f"notes__{name}": "Lisbon"})


def test_whoever_asks_for_no_value_is_told_how() -> None:
    with pytest.raises(FieldError, match="day__isnull"):
        notes.filter(day=None)


def test_parts_of_json_are_not_filtered() -> None:
    with pytest.raises(FieldError, match="encrypted"):
        notes.filter(**{"details__rain": True})


def test_whether_there_is_a_value_can_be_asked() -> None:
    make_note(remark=None)
    make_note(remark="")
    assert Note.objects.filter(remark__isnull=True).count() == 1
    assert Note.objects.exclude(remark__isnull=True).count() == 1
    assert Notebook.objects.filter(notes__remark__isnull=False).count() == 1
    there = Exists(Note.objects.filter(notebook=OuterRef("pk"), remark__isnull=False))
    assert Notebook.objects.filter(there).count() == 1
    has = Case(When(remark__isnull=True, then=Value(0)), default=Value(1))
    assert Note.objects.alias(has=has).filter(has=1).count() == 1


REFUSED: dict[str, Callable[[], object]] = {
    "order_by": lambda: notes.order_by("text"),
    "order_by descending": lambda: notes.order_by("-text"),
    "order_by an expression": lambda: str(notes.order_by(F("text").desc()).query),
    "order_by a function": lambda: str(notes.order_by(Upper("text")).query),
    "order_by through a relation": lambda: Contact.objects.order_by("note__text"),
    "earliest": lambda: notes.earliest("text"),
    "latest": lambda: notes.latest("text"),
    "distinct on": lambda: notes.distinct("text"),
    "values distinct": lambda: notes.values("text").distinct(),
    "distinct values": lambda: notes.distinct().values("text"),
    "values_list distinct": lambda: notes.values_list("position", "text").distinct(),
    "distinct values_list flat": lambda: notes.distinct().values_list("text", flat=True),
    "annotate F": lambda: notes.annotate(copied=F("text")),
    "annotate Upper": lambda: notes.annotate(copied=Upper("text")),
    "annotate Length": lambda: notes.annotate(size=Length("text")),
    "annotate Cast": lambda: notes.annotate(copied=Cast("text", CharField())),
    "annotate Coalesce": lambda: notes.annotate(copied=Coalesce("text", "remark")),
    "annotate Concat": lambda: notes.annotate(copied=Concat("text", Value("!"))),
    "annotate Case": lambda: notes.annotate(copied=Case(When(position=1, then=F("text")))),
    "annotate Case condition": lambda: notes.annotate(copied=Case(When(text="Lisbon", then=Value(1)))),
    "annotate Window": lambda: notes.annotate(rank=Window(Rank(), order_by=F("text").asc())),
    "annotate through a relation": lambda: Contact.objects.annotate(copied=Upper("note__text")),
    "alias": lambda: notes.alias(copied=F("text")),
    "values expression": lambda: notes.values(copied=Upper("text")),
    "values_list expression": lambda: notes.values_list(F("text")),
    "aggregate Max": lambda: notes.aggregate(Max("text")),
    "aggregate Min": lambda: notes.aggregate(Min("day")),
    "aggregate Count": lambda: notes.aggregate(Count("text", distinct=True)),
    "group by": lambda: notes.values("text").annotate(size=Count("id")),
    "filter against F": lambda: notes.filter(position=F("text")),
    "outer reference": lambda: str(
        notes.annotate(found=Exists(Notebook.objects.filter(title=OuterRef("text")))).query,
    ),
    "filter a subquery's value": lambda: Notebook.objects.annotate(
        text=Subquery(Note.objects.filter(notebook=OuterRef("pk")).values("text")[:1])
    ).filter(text="Lisbon"),
    "update": lambda: notes.update(text="Porto"),
    "update F": lambda: notes.update(text=F("remark")),
    "update Case": lambda: notes.update(text=Case(When(position=1, then=Value("Porto")), default=Value("Lisbon"))),
    "update Case default": lambda: notes.update(text=Case(default=Value("Lisbon"))),
    "update Cast": lambda: notes.update(text=Cast(Value("Porto"), CharField())),
    "update Value": lambda: notes.update(text=Value("Porto")),
    "update key": lambda: notes.update(data_key_id=None),
    "update an indexed value": lambda: Contact.objects.update(email=None),
    "update an index": lambda: Contact.objects.update(index=b"1"),
    "update the next index": lambda: Contact.objects.update(next_index=None),
    "update the controller of an index": lambda: Contact.objects.update(controller_id=UUID(int=8)),
    "update the controller of an index, Case": lambda: Contact.objects.update(
        controller_id=Case(When(note=None, then=Value(UUID(int=8))), default=Value(UUID(int=9)))
    ),
    "update the controller of an index, F": lambda: Contact.objects.update(controller_id=F("id")),
    "union of values": lambda: notes.values("text").union(notes.values("text")),
    "intersection of values": lambda: notes.values_list("text").intersection(notes.values_list("text")),
    "conflict": lambda: notes.bulk_create(
        [unsaved_note()], update_conflicts=True, update_fields=["text"], unique_fields=["id"]
    ),
    "conflict of an index": lambda: Contact.objects.bulk_create(
        [], update_conflicts=True, update_fields=["index"], unique_fields=["id"]
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_compare_or_compute_is_refused(what: str) -> None:
    make_note()
    with pytest.raises(FieldError) as refused:
        REFUSED[what]()
    assert "Lisbon" not in str(refused.value)
    assert "Porto" not in str(refused.value)


FROM_A_PLAIN_MODEL: dict[str, Callable[[], object]] = {
    "order_by": lambda: list(Notebook.objects.order_by("notes__text")),
    "annotate Max": lambda: list(Notebook.objects.annotate(most=Max("notes__text"))),
    "annotate F": lambda: list(Notebook.objects.annotate(copied=F("notes__text"))),
    "annotate Length": lambda: list(Notebook.objects.annotate(size=Length("notes__text"))),
    "annotate Cast": lambda: list(Notebook.objects.annotate(copied=Cast("notes__text", CharField()))),
    "annotate Count distinct": lambda: list(Notebook.objects.annotate(size=Count("notes__text", distinct=True))),
    "values distinct": lambda: list(Notebook.objects.values("notes__text").distinct()),
    "group by": lambda: list(Notebook.objects.values("notes__text").annotate(size=Count("id"))),
    "filter against F": lambda: list(Notebook.objects.filter(title=F("notes__text"))),
}


@pytest.mark.parametrize("what", FROM_A_PLAIN_MODEL)
def test_a_plain_models_query_does_not_compare_them_either(what: str) -> None:
    make_note()
    with pytest.raises(FieldError):
        FROM_A_PLAIN_MODEL[what]()


IN_A_SUBQUERY: dict[str, Callable[[], object]] = {
    "in values": lambda: list(Notebook.objects.filter(title__in=notes.values("text"))),
    "in values_list": lambda: list(Notebook.objects.filter(title__in=notes.values_list("text", flat=True))),
    "in a plain model's values": lambda: list(
        Notebook.objects.filter(title__in=Notebook.objects.values("notes__text"))
    ),
    "equals a subquery": lambda: list(Notebook.objects.filter(title=Subquery(notes.values("text")[:1]))),
    "equals a slice": lambda: list(Notebook.objects.filter(title=notes.values("text")[:1])),
    "excluded by values": lambda: list(Notebook.objects.exclude(title__in=notes.values("text"))),
    "an index in values": lambda: list(Contact.objects.filter(index__in=notes.values("text"))),
    "a sealed model's own": lambda: list(notes.filter(position__in=notes.values("text"))),
    "annotated": lambda: list(Notebook.objects.annotate(text=Subquery(notes.values("text")[:1]))),
    "ordered by": lambda: list(Notebook.objects.annotate(text=Subquery(notes.values("text")[:1])).order_by("text")),
    "counted": lambda: Notebook.objects.annotate(text=Subquery(notes.values("text")[:1])).aggregate(Count("text")),
    "asked whether it is null": lambda: list(
        Notebook.objects.alias(text=Subquery(notes.values("text")[:1])).filter(text__isnull=True)
    ),
    "in a condition": lambda: list(
        Notebook.objects.annotate(found=Case(When(title__in=notes.values("text"), then=Value(1))))
    ),
    "of a union": lambda: list(
        Notebook.objects.filter(title__in=notes.values("text").union(notes.values("text"), all=True))
    ),
    "written by update": lambda: Notebook.objects.update(title=Subquery(notes.values("text")[:1])),
    "written by an insert": lambda: Notebook.objects.create(
        title=Subquery(notes.values("text")[:1]), controller_id=UUID(int=9)
    ),
    "union of a plain model's values": lambda: list(
        Notebook.objects.values("notes__text").union(Notebook.objects.values("notes__text"))
    ),
}


@pytest.mark.parametrize("what", IN_A_SUBQUERY)
def test_no_other_query_uses_what_a_subquery_selects(what: str) -> None:
    make_note()
    with pytest.raises(FieldError, match="encrypted"):
        IN_A_SUBQUERY[what]()


ALLOWED: dict[str, Callable[[], object]] = {
    "values": lambda: list(notes.values("text")),
    "values beside an id, distinct": lambda: list(notes.values("id", "text").distinct()),
    "annotate, then values": lambda: list(notes.annotate(size=Count("contacts")).values("text", "size")),
    "annotate and filter": lambda: list(notes.annotate(size=Count("contacts")).filter(size=0)),
    "distinct rows": lambda: list(notes.filter(notebook__title="Travels").distinct()),
    "union of rows": lambda: list(notes.filter(position=0).union(notes.filter(position=1))),
    "union all of values": lambda: list(notes.values("text").union(notes.values("remark"), all=True)),
    "only, distinct": lambda: list(notes.only("text").distinct()),
    "ordering by a plain field": lambda: list(notes.order_by("position", "-written_at", "?")),
    "ordering by an annotation": lambda: list(notes.annotate(size=Count("contacts")).order_by("size")),
    "whether values are there": lambda: list(
        Notebook.objects.filter(Exists(Note.objects.filter(notebook=OuterRef("pk")).values("text")))
    ),
    "rows of a subquery": lambda: list(Contact.objects.filter(note__in=notes.filter(position=0))),
    "a row of a subquery": lambda: list(Contact.objects.filter(note=notes.order_by("position")[:1])),
    "a subquery of ids": lambda: list(Notebook.objects.filter(id__in=notes.values("notebook_id"))),
    "a subquery's plain value": lambda: list(
        Notebook.objects.annotate(first=Subquery(notes.values("position")[:1])).order_by("first")
    ),
    "exclude through a relation": lambda: list(Notebook.objects.exclude(notes__position=1)),
    "count of slices": lambda: (notes.values("text")[:2].count(), Notebook.objects.values("notes__text")[:2].count()),
    "count of distinct rows": lambda: notes.filter(contacts=None).distinct().count(),
    "aggregate over slices": lambda: notes[:2].aggregate(Max("position")),
    "sliced prefetch": lambda: list(
        Notebook.objects.prefetch_related(Prefetch("notes", Note.objects.order_by("position")[:1], to_attr="first"))
    ),
    "delete through a relation": lambda: Note.objects.filter(notebook__title="Elsewhere").delete(),
    "update through a relation": lambda: notes.filter(notebook__title="Travels").update(position=3),
    "union of a plain model's values beside ids": lambda: list(
        Notebook.objects.values("notes__id", "notes__text").union(Notebook.objects.values("notes__id", "notes__text"))
    ),
    "a plain model's values": lambda: list(Notebook.objects.values("title", "notes__text")),
    "update of a plain field": lambda: notes.update(position=F("position") + 1),
    "update to null": lambda: notes.update(remark=None),
    "conflict of a plain field": lambda: notes.bulk_create(
        [unsaved_note()], update_conflicts=True, update_fields=["position"], unique_fields=["id"]
    ),
}


@pytest.mark.parametrize("what", ALLOWED)
def test_what_compares_nothing_is_left_alone(what: str) -> None:
    make_note()
    ALLOWED[what]()


def test_a_refused_query_reaches_no_database(django_assert_num_queries: Callable[[int], CaptureQueriesContext]) -> None:
    with django_assert_num_queries(0):
        for what in set(REFUSED) - {"conflict"}:
            with pytest.raises(FieldError):
                REFUSED[what]()


@pytest.mark.parametrize("sought", [{"index": "a@x.org"}, {"index__in": ["a@x.org"]}, {"index__in": "a@x.org"}])
def test_a_blind_index_is_not_asked_for_the_value_itself(sought: dict[str, object]) -> None:
    with pytest.raises(FieldError, match=r"blind_indexes\(") as refused:
        list(Contact.objects.filter(**sought))
    assert "a@x" not in str(refused.value)


@pytest.mark.parametrize("lookup", ["contains", "gt", "startswith", "lt", "range", "iexact"])
def test_a_blind_index_finds_equal_values_only(lookup: str) -> None:
    with pytest.raises(FieldError, match="blind index"):
        Contact.objects.filter(**{f"index__{lookup}": b"1"})
    assert not Contact.objects.filter(index=b"1").exists()
    assert not Contact.objects.filter(index__in=[b"1"]).exists()
    assert not Contact.objects.filter(index__isnull=True).exists()
