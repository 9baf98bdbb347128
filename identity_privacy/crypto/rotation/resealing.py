"""Carrying values and files over to the new material of their data keys, in place, while others read and write them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

from django.db import models, transaction

from identity_privacy.crypto.errors import KeyDestroyed, KeyRotated, UnreadableSeal, WrongPlace
from identity_privacy.crypto.fields import EncryptedField, Sealed
from identity_privacy.crypto.files import SealedFile, is_under, reseal_file, sealed_files
from identity_privacy.crypto.rotation.materials import Materials, materials_of
from identity_privacy.crypto.rotation.outcome import Unreadable
from identity_privacy.crypto.rotation.writers import database_of, every_row, sealed_models
from identity_privacy.crypto.seal import seal

# Rows that one transaction changes: so few that no writer of theirs waits noticeably.
ROWS = 50
ROWS_READ = 500


@dataclass(slots=True, kw_only=True)
class Pass:
    """What going once through everything under some keys came to."""

    resealed: int = 0
    passed_over: int = 0  # locked by a writer, or written anew meanwhile
    unreadable: list[Unreadable] = field(default_factory=list)

    def is_clean(self) -> bool:
        """Whether everything that opens at all stood under the new material already."""
        return not self.resealed and not self.passed_over


def reseal(keys: Mapping[UUID, Materials]) -> Pass:
    """Go once through every value and file under these keys, and re-seal what is not under their new material.

    A pass that is clean proves that nothing is left, if nobody can write under the old material any more.
    """
    done = Pass()
    for model, fields in sealed_models().items():
        _Table(model, fields, keys, done).reseal()
    for file in sealed_files(list(keys)):
        _reseal_file(file, keys[file.key_id], done)
    return done


class _Table:
    """The rows of one model."""

    def __init__(
        self,
        model: type[models.Model],
        fields: Sequence[EncryptedField],
        keys: Mapping[UUID, Materials],
        done: Pass,
    ) -> None:
        self._fields, self._keys, self._done = fields, keys, done
        self._using = database_of(model)
        self._rows = every_row(model)
        names = [field.attname for field in fields]
        self._under_keys = self._rows.filter(data_key_id__in=list(keys)).values_list("pk", "data_key_id", *names)

    def reseal(self) -> None:
        """Re-seal what is under old material, a few rows in a transaction."""
        rows = self._under_keys.iterator(chunk_size=ROWS_READ)
        stale = iter([row[0] for row in rows if not all(is_new for *_, is_new in self._values(*row))])
        while some := list(islice(stale, ROWS)):
            with transaction.atomic(using=self._using):
                # Passing over what another has locked, we never wait while we hold locks: no writer dies of us.
                locked = list(self._under_keys.filter(pk__in=some).select_for_update(skip_locked=True))
                for row in locked:
                    self._reseal_row(*row)
            self._done.passed_over += len(some) - len(locked)

    def _values(
        self, row_id: UUID, key_id: UUID, *values: Sealed | None
    ) -> Iterator[tuple[EncryptedField, bytes, bool]]:
        """Each value of a row, and whether it is under the new material."""
        for column, value in zip(self._fields, values, strict=True):
            if value is not None:
                try:
                    is_new = self._keys[key_id].is_new(value.sealed, column.place_prefix + row_id.bytes + key_id.bytes)
                except UnreadableSeal:
                    is_new = False
                yield column, value.sealed, is_new

    def _reseal_row(self, row_id: UUID, key_id: UUID, *values: Sealed | None) -> None:
        changed = {}
        for column, sealed, is_new in self._values(row_id, key_id, *values):
            if is_new:
                continue
            associated, materials = column.place_prefix + row_id.bytes + key_id.bytes, self._keys[key_id]
            try:
                plaintext = materials.opened(sealed, associated)
            except (WrongPlace, UnreadableSeal):
                if _is_unreadable_now(key_id, sealed, associated):
                    self._done.unreadable.append(Unreadable(place=column.place, row_id=row_id, key_id=key_id))
                continue
            changed[column.attname] = Sealed(seal(materials.new, plaintext, associated))
        if changed:
            self._rows.filter(pk=row_id).update(**changed)
            self._done.resealed += 1


def _is_unreadable_now(key_id: UUID, sealed: bytes, associated: bytes) -> bool:
    """Whether a value opens under nothing that its key has now: it may have been destroyed, or rotated further."""
    materials = materials_of(key_id)
    if materials is None:
        return False
    try:
        materials.opened(sealed, associated)
    except (WrongPlace, UnreadableSeal):
        return True
    return False


def _reseal_file(file: SealedFile, materials: Materials, done: Pass) -> None:
    try:
        if materials.previous is None or is_under(file, materials.new):
            return
        is_resealed = reseal_file(file, materials.previous)
    except FileNotFoundError:
        return  # removed meanwhile
    except (KeyDestroyed, KeyRotated):
        done.passed_over += 1
    except (WrongPlace, UnreadableSeal):
        done.unreadable.append(Unreadable(place=file.place, row_id=file.row_id, key_id=file.key_id))
    else:
        done.resealed += is_resealed
        done.passed_over += not is_resealed
