"""Which place each encrypted column was given when it was made, as the migrations on disk say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Final, TypeAlias

from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import (
    AddField,
    AlterField,
    CreateModel,
    RenameField,
    RenameModel,
    SeparateDatabaseAndState,
)
from django.db.migrations.operations.base import Operation

from identity_privacy.crypto.fields import (
    EncryptedBinaryField,
    EncryptedDateField,
    EncryptedField,
    EncryptedJSONField,
    EncryptedTextField,
)

KINDS: Final = (EncryptedTextField, EncryptedDateField, EncryptedJSONField, EncryptedBinaryField, EncryptedField)

# A model as `app.model` and a field's name.
Column: TypeAlias = tuple[str, str]


@dataclass(slots=True)
class DeclaredPlaces:
    """The first place of each column; of each place, also of columns that are gone, its column and its first kind."""

    place: dict[Column, str] = field(default_factory=dict)
    owner: dict[str, Column] = field(default_factory=dict)
    kind: dict[str, type[EncryptedField]] = field(default_factory=dict)

    def declare(self, column: Column, declared: object) -> None:
        """Take note of a column, unless it is known or not encrypted."""
        if isinstance(declared, EncryptedField):
            self.place.setdefault(column, declared.place)
            self.owner.setdefault(declared.place, column)
            self.kind.setdefault(declared.place, kind_of(declared))

    def rename(self, old: Column, new: Column) -> None:
        """Follow a column to its new name."""
        if old in self.place:
            self.place[new] = self.place.pop(old)
        for place, column in self.owner.items():
            if column == old:
                self.owner[place] = new


def kind_of(declared: EncryptedField) -> type[EncryptedField]:
    """The class of ours by which a field makes bytes of a value, whatever an app derives from it."""
    return next(one for one in type(declared).__mro__ if one in KINDS)


def declared_places(app_labels: Iterable[str]) -> DeclaredPlaces:
    """What the migrations of these apps declare; only theirs are imported, since this runs at every start."""
    places = DeclaredPlaces()
    for label in sorted(app_labels):
        for migration in _migrations(label):
            _apply(migration.operations, label, places)
    return places


def _migrations(app_label: str) -> Sequence[Migration]:
    """An app's migrations in the order of their names, which one chain has; a squashed one counts until it is alone."""
    module, _ = MigrationLoader.migrations_module(app_label)
    if module is None:
        return []
    try:
        package = import_module(module)
    except ModuleNotFoundError:
        return []
    names = sorted(found.name for found in iter_modules(package.__path__) if found.name[0] not in "_~")
    made = [import_module(f"{module}.{name}").Migration(name, app_label) for name in names]
    return [one for one in made if not {name for label, name in one.replaces} & set(names)]


def _apply(operations: Sequence[Operation], label: str, places: DeclaredPlaces) -> None:
    for operation in operations:
        match operation:
            case CreateModel():
                for name, declared in operation.fields:
                    places.declare((f"{label}.{operation.name_lower}", name), declared)
            case AddField() | AlterField():
                places.declare((f"{label}.{operation.model_name_lower}", operation.name), operation.field)
            case RenameField():
                model = f"{label}.{operation.model_name_lower}"
                places.rename((model, operation.old_name), (model, operation.new_name))
            case RenameModel():
                old = f"{label}.{operation.old_name_lower}"
                for model, name in list(places.owner.values()):
                    if model == old:
                        places.rename((model, name), (f"{label}.{operation.new_name_lower}", name))
            case SeparateDatabaseAndState():
                _apply(operation.state_operations, label, places)
            case _:
                pass
