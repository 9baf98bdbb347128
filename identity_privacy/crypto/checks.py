"""Checks of the models with encrypted fields, so that wrong use is named at the start and not by a wrong answer."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final, TypeVar
from uuid import UUID

from django.apps import AppConfig, apps
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.sites import all_sites
from django.contrib.admin.utils import flatten_fieldsets
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import FieldDoesNotExist
from django.db.models import (
    BaseConstraint,
    Expression,
    F,
    Index,
    Model,
    Q,
    UniqueConstraint,
    UUIDField,
)
from django.db.models.constants import LOOKUP_SEP
from django.db.models.fields import NOT_PROVIDED

from identity_privacy.crypto.fields import (
    BlindIndexField,
    DataKeyField,
    EncryptedField,
    NextBlindIndexField,
    encrypted_fields,
)
from identity_privacy.crypto.places import declared_places, kind_of
from identity_privacy.crypto.querysets import SealedQuerySet
from identity_privacy.crypto.rows import SealedModel

Kind = TypeVar("Kind")

# `Incident.place` holds so many characters.
MAX_PLACE: Final = 100


def check_encrypted_fields(*, app_configs: Sequence[AppConfig] | None = None, **_: object) -> list[CheckMessage]:
    """crypto.E101 to E114, W115: what would answer wrongly, or make values unreadable, each with what to do."""
    every = apps.get_models()
    models = [model for model in every if app_configs is None or model._meta.app_config in app_configs]
    found = [finding for model in models for finding in _of_model(model)]
    found += _of_places(every, models)
    found += [finding for model in models for finding in _of_admin(model)]
    return found


def _of_model(model: type[Model]) -> Iterator[CheckMessage]:
    for name, where in _named_by(model):
        if encrypted := _encrypted_at(model, name):
            yield _error(
                model,
                "E101",
                f"{where} names the encrypted field {encrypted.name}",
                "The database cannot compare ciphertext: take it out, or use a blind index where equality is meant.",
            )
    for own in _own_fields(model, EncryptedField):
        is_indexed = bool(own.db_index)  # type: ignore[attr-defined]  # not in the stubs
        if is_indexed or own.unique or own.primary_key or own.has_db_default():
            yield _error(
                own,
                "E102",
                "an encrypted field is indexed, unique, a primary key or given a default by the database",
                "The database cannot compare ciphertext, nor make it: use a blind index, and `default`.",
            )
    if not encrypted_fields(model) or model._meta.proxy:
        return
    if not issubclass(model, SealedModel) or not _id_is_known_before_the_insert(model) or not _has_data_key(model):
        yield _error(
            model,
            "E103",
            "a model with encrypted fields lacks a UUID primary key `id` made in Python, or its `data_key_id`",
            "Derive it from identity_privacy.crypto.rows.SealedModel and leave both fields as they are.",
        )
    if not isinstance(model._default_manager.get_queryset(), SealedQuerySet):
        yield _error(
            model,
            "E104",
            "the default manager of a model with encrypted fields makes other query sets",
            "Write `objects = SealedQuerySet.as_manager()`, or derive your query set from SealedQuerySet.",
        )
    for manager, which in ((model._base_manager, "base"), (model._default_manager, "default")):
        if manager.get_queryset().query.where:
            yield Warning(
                f"the {which} manager of a model with encrypted fields leaves rows out",
                hint="Relations, deletions and fixtures would not see them, and they would keep a person's values: let "
                "a manager of another name filter, and declare it after `objects`.",
                obj=model,
                id="crypto.W115",
            )
    for index in _own_fields(model, BlindIndexField):
        yield from _of_index(model, index)


def _of_index(model: type[Model], index: BlindIndexField) -> Iterator[CheckMessage]:
    names = {own.name: own for own in model._meta.concrete_fields} | {
        own.attname: own for own in model._meta.concrete_fields
    }
    of = names.get(index.of)
    if not isinstance(of, EncryptedField):
        yield _error(
            index, "E105", f"the blind index is of {index.of}, which is no encrypted field", "Name one of its model."
        )
    elif of.null and not index.null:
        yield _error(
            index,
            "E114",
            f"{index.of} can be null and its blind index cannot",
            f"Give {index.name} `null=True` too: where there is no value there is no index.",
        )
    if bool(index.kind) == bool(index.kind_field):
        yield _error(index, "E106", "a blind index has either `kind` or `kind_field`", "Give it one of the two.")
    for name in filter(None, (index.kind_field, index.controller_field)):
        if name not in names:
            yield _error(index, "E107", f"the blind index needs the field {name}", "Add it, or name another one.")
    following = [own for own in _own_fields(model, NextBlindIndexField) if own.of == index.name]
    if len(following) != 1:
        yield _error(
            index,
            "E108",
            "the blind index has no column for its key's next version",
            f'Write `next_{index.name} = NextBlindIndexField(of="{index.name}")`, so that its key can be rotated.',
        )
        return
    unique = [frozenset(names) for names in _unique_together(model)]
    for together in unique:
        if index.name in together and together - {index.name} | {following[0].name} not in unique:
            yield _error(
                index,
                "E109",
                f"a unique constraint holds {index.name} and none like it {following[0].name}",
                "Add its twin: while the key is rotated, only both together keep a value from standing twice.",
            )


def _of_places(every: Collection[type[Model]], models: Collection[type[Model]]) -> Iterator[CheckMessage]:
    fields = [own for model in every if not model._meta.proxy for own in _own_fields(model, EncryptedField)]
    if not fields:
        return
    at: dict[str, EncryptedField] = {}
    declared = declared_places({own.model._meta.app_label for own in fields})
    for own in fields:
        is_asked = own.model in models
        if is_asked and not (own.place.isascii() and own.place.isprintable() and 0 < len(own.place) <= MAX_PLACE):
            yield _error(
                own,
                "E110",
                f"a place is 1 to {MAX_PLACE} characters of ASCII",
                f'Write `place="{own.model._meta.label_lower}.{own.name}"`.',
            )
        column = (own.model._meta.label_lower, own.name)
        other = at.setdefault(own.place, own)
        owner = declared.owner.get(own.place, column)
        if is_asked and (other is not own or owner != column):
            whose = f"{other.model._meta.label}.{other.name}" if other is not own else ".".join(owner)
            yield _error(
                own,
                "E111",
                f"the place {own.place} is that of {whose}",
                "Give this field a place of its own: a value of the one would open as a value of the other.",
            )
        first = declared.place.get(column, own.place)
        if is_asked and first != own.place:
            yield _error(
                own,
                "E112",
                f"the place was {first} when this column was made",
                "Write that again: it is part of what each stored value is bound to, and no value opens under another.",
            )
        kind = declared.kind.get(own.place, kind_of(own))
        if is_asked and owner == column and kind is not kind_of(own):
            yield _error(
                own,
                "E112",
                f"this column of the place {own.place} was an {kind.__name__} when it was made",
                "Make a new column with a place of its own, and carry the values over: what was sealed as the one kind "
                "would open as the other, or fail with the value in the error.",
            )


def _of_admin(model: type[Model]) -> Iterator[CheckMessage]:
    for site in all_sites:
        page = site._registry.get(model)
        if page is None:
            continue
        for part in (page, *(inline(model, site) for inline in page.inlines)):
            for name, where in _shown_by(part):
                if encrypted := _encrypted_at(part.model, name.lstrip("-^=@")):
                    yield Error(
                        f"{where} of {type(part).__name__} names the encrypted field {encrypted.name}",
                        hint="Encrypted values are on no list and form of the admin: show them on a page of your own, "
                        "inside a Reading.",
                        obj=type(part),
                        id="crypto.E113",
                    )


# --- What names a field -----------------------------------------------------------------------------


def _named_by(model: type[Model]) -> Iterator[tuple[str, str]]:
    """Each name in a model's options by which the database would compare, and where it stands."""
    options = model._meta
    for part in options.ordering or ():
        yield from ((name.lstrip("-"), "Meta.ordering") for name in _names(part))
    latest = options.get_latest_by or ()
    yield from ((name.lstrip("-"), "Meta.get_latest_by") for name in ([latest] if isinstance(latest, str) else latest))
    for together in options.unique_together:
        yield from ((name, "Meta.unique_together") for name in together)
    for part in (*options.indexes, *options.constraints):
        for name in _names(part):
            yield name.lstrip("-"), f"{type(part).__name__} {part.name}"


def _shown_by(page: "BaseModelAdmin[Model]") -> Iterator[tuple[str, str]]:
    """Each name of a field on an admin's lists and forms, and where it stands."""
    for option in ("list_display", "list_editable", "search_fields", "readonly_fields", "ordering"):
        for part in getattr(page, option, None) or ():
            yield from ((name, option) for name in _names(part))
    for part in getattr(page, "list_filter", ()):
        yield from ((name, "list_filter") for name in _names(part[0] if isinstance(part, tuple) else part))
    declared = flatten_fieldsets(page.fieldsets) if page.fieldsets else page.fields
    if declared is not None:
        yield from ((name, "the form") for part in declared for name in ([part] if isinstance(part, str) else part))
        return
    left_out = {*(page.exclude or ()), *(getattr(getattr(page.form, "_meta", None), "exclude", None) or ())}
    for own in encrypted_fields(page.model):
        if own.editable and own.name not in left_out:
            yield own.name, "the form"


def _names(part: object) -> Iterator[str]:
    """The names of fields in an option's part: a name, an expression, a condition, an index or a constraint."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, F):
        yield part.name  # type: ignore[attr-defined]  # not in the stubs
    elif isinstance(part, Q):
        for child in part.children:
            if not isinstance(child, tuple):
                yield from _names(child)
            elif not child[0].endswith(f"{LOOKUP_SEP}isnull"):  # which needs no comparing
                yield child[0]
    elif isinstance(part, Expression):
        for source in part.get_source_expressions():
            yield from _names(source)
    elif isinstance(part, Index | BaseConstraint):
        inner = ("fields", "include", "expressions", "condition")
        for name in inner:
            value = getattr(part, name, None) or ()
            for each in value if isinstance(value, list | tuple) else (value,):
                yield from _names(each[0] if isinstance(each, tuple) else each)


def _encrypted_at(model: type[Model], path: str) -> EncryptedField | None:
    """The encrypted field that a name leads to, through relations and whatever look-up follows."""
    at: type[Model] | None = model
    for name in path.split(LOOKUP_SEP):
        if at is None:
            return None
        try:
            found = at._meta.get_field(name)
        except FieldDoesNotExist:
            return None
        if isinstance(found, EncryptedField):
            return found
        at = found.related_model if isinstance(found.related_model, type) else None
    return None


# --- Parts --------------------------------------------------------------------------------------------


def _own_fields(model: type[Model], kind: type[Kind]) -> list[Kind]:
    return [own for own in model._meta.local_fields if isinstance(own, kind)]


def _id_is_known_before_the_insert(model: type[Model]) -> bool:
    key = model._meta.pk
    while key.remote_field is not None:  # of a model that extends another by a table of its own
        key = key.remote_field.model._meta.pk
    if not isinstance(key, UUIDField) or key.name != "id" or key.db_default is not NOT_PROVIDED:
        return False
    return callable(key.default) and isinstance(key.get_default(), UUID)


def _has_data_key(model: type[Model]) -> bool:
    return any(isinstance(own, DataKeyField) and own.attname == "data_key_id" for own in model._meta.concrete_fields)


def _unique_together(model: type[Model]) -> Iterator[Collection[str]]:
    for part in model._meta.constraints:
        if isinstance(part, UniqueConstraint):
            yield part.fields
    yield from model._meta.unique_together
    yield from ((own.name,) for own in model._meta.local_fields if own.unique)


def _error(obj: object, number: str, message: str, hint: str) -> CheckMessage:
    return Error(message, hint=hint, obj=obj, id=f"crypto.{number}")
