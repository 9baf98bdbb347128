"""Encrypted fields against plain ones, and against the packages that do the same."""

import contextlib
import math
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeAlias, TypeVar
from uuid import UUID

from django.db import connection, transaction
from uuid_utils.compat import uuid7

from benchmarks.database import analysed, counted_queries, emptied
from benchmarks.harness import Comparison, Took, here, interleaved
from benchmarks.models import PlainAddress, PlainAttribute, PlainRow, SealedAddress, SealedAttribute, SealedRow
from benchmarks.packages import PACKAGES, package_process
from benchmarks.texts import Five, addresses, five_texts
from identity_privacy.actors import Actor
from identity_privacy.crypto import listing
from identity_privacy.crypto.blind_index import blind_indexes
from identity_privacy.crypto.keys import create_data_keys
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.router import KEYS
from identity_privacy.crypto.terms import KeyKind

CONTROLLER = uuid7()
# An import commits so many people at once.
CHUNK = 1_000
LOOKUPS = 500

T = TypeVar("T")
Owners: TypeAlias = Sequence[tuple[UUID, UUID | None]]
Part: TypeAlias = Callable[[int, int], Iterator[Comparison]]


# --- Writing ----------------------------------------------------------------------------------------


def write_plain(texts: Sequence[Five]) -> None:
    """The baseline: rows of readable text."""
    for chunk in _chunks(texts):
        with transaction.atomic():
            PlainRow.objects.bulk_create([PlainRow(one=a, two=b, three=c, four=d, five=e) for a, b, c, d, e in chunk])


def write_sealed(texts: Sequence[Five]) -> None:
    """Sealed rows, each under a new key of its own, by `bulk_create`."""
    for chunk in _chunks(texts):
        ids = [uuid7() for _ in chunk]
        with transaction.atomic():
            keys = _keys([(row_id, row_id) for row_id in ids])
            SealedRow.objects.bulk_create(
                [
                    SealedRow(id=row_id, data_key_id=key_id, one=a, two=b, three=c, four=d, five=e)
                    for row_id, key_id, (a, b, c, d, e) in zip(ids, keys, chunk, strict=True)
                ]
            )


def copy_sealed(texts: Sequence[Five]) -> None:
    """The same by COPY, from values, as an import does."""
    for chunk in _chunks(texts):
        ids = [uuid7() for _ in chunk]
        with transaction.atomic():
            keys = _keys([(row_id, row_id) for row_id in ids])
            rows = [(row_id, key_id, *five) for row_id, key_id, five in zip(ids, keys, chunk, strict=True)]
            SealedRow.objects.copy_values(("id", "data_key_id", "one", "two", "three", "four", "five"), rows)


def writing(rows: int, rounds: int) -> Iterator[Comparison]:
    """`bulk_create` and COPY, each with a key a row, against `bulk_create` of readable rows."""
    texts = five_texts(rows)
    variants = {
        "plain": here(partial(write_plain, texts), before=partial(emptied, PlainRow)),
        "bulk": here(partial(write_sealed, texts), before=partial(emptied, SealedRow, DataKey)),
    }
    if connection.vendor == "postgresql":
        variants["copy"] = here(partial(copy_sealed, texts), before=partial(emptied, SealedRow, DataKey))
    took = interleaved(variants, rounds=rounds)
    for name in ("bulk", "copy"):
        if name in took:
            yield _compared(f"{name}_write_vs_plain", took[name], took["plain"], len(texts))


# --- Reading ----------------------------------------------------------------------------------------


def read_all(model: type[PlainRow | SealedRow]) -> None:
    """Touch each of the five."""
    for row in model.objects.all():
        row.one, row.two, row.three, row.four, row.five  # noqa: B018  # reading is what is measured


def read_one(model: type[PlainRow | SealedRow]) -> None:
    """Touch one of the five."""
    for row in model.objects.all():
        row.three  # noqa: B018


def read_values(model: type[PlainAttribute | SealedAttribute]) -> None:
    """Touch the one value."""
    for row in model.objects.all():
        row.value  # noqa: B018


def within_reading(work: Callable[[], object]) -> None:
    """Do it as the product does: inside one Reading."""
    with Reading(actor=Actor.service("benchmark"), purpose="benchmark", subject_id=None, reason="benchmark"):
        work()


def reading(rows: int, rounds: int) -> Iterator[Comparison]:
    """All five values, and one of five."""
    texts = five_texts(rows)
    emptied(PlainRow, SealedRow, DataKey)
    write_plain(texts)
    write_sealed(texts)
    analysed(PlainRow, SealedRow, DataKey)
    within_reading(partial(_check_values, texts))
    for name, read in (("read_all", read_all), ("read_one", read_one)):
        ours = partial(within_reading, partial(read, SealedRow))
        _keys_come_in_lists(ours, rows)
        took = interleaved({"plain": here(partial(read, PlainRow)), "sealed": here(ours)}, rounds=rounds)
        yield _compared(f"{name}_vs_plain", took["sealed"], took["plain"], rows)


def packages(rows: int, rounds: int) -> Iterator[Comparison]:
    """The same against the fastest of the other packages; on PostgreSQL only."""
    if connection.vendor != "postgresql":
        return
    emptied(SealedRow, DataKey)
    write_sealed(five_texts(rows))
    analysed(SealedRow, DataKey)
    with contextlib.ExitStack() as stack:
        peers = {name: stack.enter_context(package_process(name, rows)) for name in PACKAGES}
        for name, read in (("read_all", read_all), ("read_one", read_one)):
            # One round tells which may be the fastest; the others would only cost time.
            first = {package: peer.run(name).seconds for package, peer in peers.items()}
            listed = ", ".join(f"{package} {seconds / rows * 1e6:.1f} µs" for package, seconds in first.items())
            sys.stdout.write(f"{name}, first round: {listed}\n")
            near = [package for package, seconds in first.items() if seconds < 1.5 * min(first.values())]
            variants = {package: partial(peers[package].run, name) for package in near}
            ours = here(partial(within_reading, partial(read, SealedRow)))
            took = interleaved({**variants, "sealed": ours}, rounds=rounds)
            best = min(near, key=lambda package: statistics.median(run.seconds for run in took[package]))
            yield _compared(f"{name}_vs_best_package", took["sealed"], took[best], rows)


def attributes(rows: int, rounds: int) -> Iterator[Comparison]:
    """Rows of one value, five to a person and key."""
    emptied(PlainAttribute, SealedAttribute, DataKey)
    for chunk in _chunks(five_texts(rows // 5)):
        profiles = [uuid7() for _ in chunk]
        with transaction.atomic():
            keys = _keys([(profile_id, profile_id) for profile_id in profiles])
            values = [
                (profile_id, key_id, value)
                for profile_id, key_id, texts in zip(profiles, keys, chunk, strict=True)
                for value in texts
            ]
            PlainAttribute.objects.bulk_create(
                [PlainAttribute(profile_id=profile_id, value=value) for profile_id, _, value in values]
            )
            SealedAttribute.objects.bulk_create(
                [
                    SealedAttribute(profile_id=profile_id, data_key_id=key, value=value)
                    for profile_id, key, value in values
                ]
            )
    analysed(PlainAttribute, SealedAttribute, DataKey)
    ours = partial(within_reading, partial(read_values, SealedAttribute))
    _keys_come_in_lists(ours, rows)
    took = interleaved({"plain": here(partial(read_values, PlainAttribute)), "sealed": here(ours)}, rounds=rounds)
    yield _compared("read_attribute_vs_plain", took["sealed"], took["plain"], rows)


# --- Looking up -------------------------------------------------------------------------------------


def lookup(rows: int, rounds: int) -> Iterator[Comparison]:
    """One row by its blind index, the hash included, against one by an indexed column; on PostgreSQL only."""
    if connection.vendor != "postgresql":
        return
    emptied(DataKey, PlainAddress, SealedAddress)
    texts = addresses(rows)
    for chunk in _chunks(texts):
        owners = [uuid7() for _ in chunk]
        with transaction.atomic():
            keys = _keys([(owner, owner) for owner in owners])
            PlainAddress.objects.bulk_create([PlainAddress(controller_id=CONTROLLER, value=value) for value in chunk])
            SealedAddress.objects.bulk_create(
                [
                    SealedAddress(controller_id=CONTROLLER, data_key_id=key_id, value=value)
                    for key_id, value in zip(keys, chunk, strict=True)
                ]
            )
    analysed(PlainAddress, SealedAddress)
    wanted = texts[:: max(1, rows // LOOKUPS)][:LOOKUPS]

    def plain() -> None:
        for value in wanted:
            PlainAddress.objects.get(value=value)

    def sealed() -> None:
        for value in wanted:
            SealedAddress.objects.get(index__in=blind_indexes(CONTROLLER, "email", value))

    took = interleaved({"plain": here(plain), "sealed": here(sealed)}, rounds=rounds)
    yield _compared("lookup_vs_plain", took["sealed"], took["plain"], len(wanted))


# --- Shared -----------------------------------------------------------------------------------------


def _keys(owners: Owners) -> Sequence[UUID]:
    return create_data_keys(kind=KeyKind.PROFILE, controller_id=CONTROLLER, owners=owners)


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def _check_values(texts: Sequence[Five]) -> None:
    """Refuse to measure a reading that does not give back what was written."""
    for rows in (PlainRow.objects.order_by("id"), SealedRow.objects.order_by("id")):
        if [(row.one, row.two, row.three, row.four, row.five) for row in rows] != texts:
            raise AssertionError("what comes back is not what was written")


def _keys_come_in_lists(read: Callable[[], object], rows: int) -> None:
    """Refuse to measure a reading that asks for keys row by row."""
    with counted_queries(KEYS) as sent:
        read()
    # One for the controller's key, and one for the keys of each chunk of rows.
    if len(sent) > 1 + math.ceil(rows / listing.CHUNK):
        raise AssertionError(f"{len(sent)} queries for the keys of {rows} rows, the last of them: {sent[-1]}")


def _compared(name: str, ours: Sequence[Took], baseline: Sequence[Took], items: int) -> Comparison:
    suffix = "" if connection.vendor == "postgresql" else f"_{connection.vendor}"
    return Comparison(name=f"{name}{suffix}", ours=ours, baseline=baseline, items=items)


PARTS: Mapping[str, Part] = {part.__name__: part for part in (writing, reading, packages, attributes, lookup)}
