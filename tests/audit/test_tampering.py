"""Whatever is changed in the log's tables, behind the back of their triggers, is found and named."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import DataError, IntegrityError, connection, models, transaction
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from pytest_django import Settings

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit import offline, services, tiles
from identity_privacy.audit.canonical import entry_bytes
from identity_privacy.audit.checkpoints import log_name
from identity_privacy.audit.cosignature import signature_line
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.merkle import root
from identity_privacy.audit.models import Checkpoint, Cosignature, Entry, Sequenced, Tile
from identity_privacy.audit.note import signed_checkpoint
from identity_privacy.audit.origin import Origin, coming_from
from identity_privacy.audit.verification import verify_log
from identity_privacy.crypto.models import SigningKey
from identity_privacy.crypto.terms import SigningUse
from tests.audit.epochs import open_next_epoch
from tests.audit.verifier import Signer
from tests.audit.witnessed import WITNESS, cosigned, log_key, newest
from tests.conftest import triggers_lifted
from tests.factories import make_controller

pytestmark = pytest.mark.django_db

# More than a tile, so that the tree has two levels of them.
SIZE = 300
KEYS = {Sequenced: ("epoch", "index"), Checkpoint: ("epoch", "size")}
TABLES: Sequence[type[models.Model]] = (Entry, Sequenced, Tile, Checkpoint, Cosignature)
# No proof rests on these: which transaction wrote an entry, when we signed by our own clock, and ids of rows.
BOOKKEEPING = (
    ("audit_entry", "written_in"),
    ("audit_checkpoint", "at"),
    ("audit_tile", "id"),
    ("audit_cosignature", "id"),
)
PROVEN = [
    (model, field.attname)
    for model in TABLES
    for field in model._meta.concrete_fields
    if (model._meta.db_table, field.attname) not in BOOKKEEPING
]

Change: TypeAlias = Callable[[], object]
REFUSED = "refused"


@pytest.fixture
def log(settings: Settings) -> Iterator[None]:
    """A log of two epochs, several checkpoints and a cosignature, whose tables take everything for once."""
    settings.AUDIT_WITNESSES = [str(WITNESS.verifier)]
    controller = make_controller()
    for number in range(SIZE):
        with coming_from(Origin(request_id=str(uuid4()) if number % 2 else "", network="192.0.2.0/24")):
            services.record(
                actor=Actor.user(uuid4()) if number % 3 else Actor.service("test"),
                action="test.done",
                target=("thing", uuid4()),
                controller_id=controller.id if number % 5 else None,
                reason="because" if number % 7 else "",
                purpose="test",
                details={"number": number, "codes": ["a", "b"]} if number % 4 else {},
            )
        if number in (3, SIZE - 2):
            services.sequence()
            services.accept_cosignature(note=cosigned(newest()))
    services.sequence()
    open_next_epoch()
    for number in range(5):
        services.record(
            actor=Actor.service("test"), action="test.done", target=("thing", str(number)), controller_id=None
        )
        services.sequence()
    assert verify_log() == Sequenced.objects.count() > SIZE
    with triggers_lifted("default"):
        yield


def found(change: Change) -> str:
    """What verifying says once this was changed, which is taken back."""
    try:
        with transaction.atomic():
            change()
            said = verified()
            transaction.set_rollback(True)
    except (IntegrityError, DataError):  # the database itself takes no such row
        return REFUSED
    return said


def verified() -> str:
    try:
        verify_log()
    except LogAltered as altered:
        return str(altered)
    return ""


def examples(count: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return tried(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.usefixtures("log")
def test_any_changed_bit_of_any_stored_fact_is_found() -> None:
    rows = {model: list(model._default_manager.all()) for model in TABLES}
    places = {place.entry_id: place for place in rows[Sequenced] if isinstance(place, Sequenced)}

    @examples(400)
    @given(st.sampled_from(PROVEN), st.data())
    def check(fact: tuple[type[models.Model], str], data: st.DataObject) -> None:
        model, name = fact
        row = data.draw(st.sampled_from(rows[model]), label="row")
        value = other(getattr(row, name), data)
        said = found(lambda: put(row, name, value))
        assert said, f"{model.__name__}.{name} is another, and nobody says so"
        if isinstance(row, Entry) and name not in ("id", "leaf_hash") and said != REFUSED:
            place = places[row.id]
            assert f"entry {place.index} of epoch {place.epoch} was changed" in said

    check()


def test_a_fact_is_either_proven_or_named_as_bookkeeping() -> None:
    columns = {(model._meta.db_table, field.attname) for model in TABLES for field in model._meta.concrete_fields}
    assert set(BOOKKEEPING) < columns


@pytest.mark.usefixtures("log")
def test_any_removed_added_or_swapped_entry_is_found() -> None:
    places = list(Sequenced.objects.order_by("epoch", "index"))

    @examples(60)
    @given(st.sampled_from(places), st.sampled_from(places), st.sampled_from(["remove", "hide", "add", "swap"]))
    def check(one: Sequenced, two: Sequenced, how: str) -> None:
        assume(one.pk != two.pk)
        changes: dict[str, Change] = {
            "remove": Entry.objects.filter(id=one.entry_id).delete,
            "hide": Sequenced.objects.filter(epoch=one.epoch, index=one.index).delete,
            "add": lambda: add(one.epoch),
            "swap": lambda: swap(one, two),
        }
        said = found(changes[how])
        if how == "add":
            size = sum(place.epoch == one.epoch for place in places)
            assert said == f"entry {size} of epoch {one.epoch} is not in a checkpoint"
        else:
            first = min((one, two) if how == "swap" else (one,), key=lambda place: (place.epoch, place.index))
            assert f"entry {first.index} of epoch {first.epoch} " in said

    check()


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("signer", ["another key", "the log's own key"])
def test_a_forked_history_is_found(signer: str) -> None:
    stranger = Signer(7)
    places = list(Sequenced.objects.filter(epoch=1).order_by("index").select_related("entry"))
    kept = Checkpoint.objects.filter(epoch=1).latest("size").note

    @examples(10)
    @given(st.sampled_from(places))
    def check(place: Sequenced) -> None:
        def fork() -> None:
            """Make everything anew as if this entry had always said something else."""
            entry = Entry.objects.get(id=place.entry_id)
            entry.reason = "another"
            Entry.objects.filter(id=entry.id).update(
                reason=entry.reason, leaf_hash=offline.leaf_hash(entry_bytes(entry))
            )
            forked = [one.entry for one in Sequenced.objects.filter(epoch=1).order_by("index").select_related("entry")]
            Tile.objects.filter(epoch=1).delete()
            tiles.append(1, 0, [bytes(one.leaf_hash) for one in forked])
            Cosignature.objects.filter(epoch=1).delete()
            for checkpoint in Checkpoint.objects.filter(epoch=1):
                top = root(checkpoint.size, tiles.TileReader(1))
                sign = stranger.note if signer == "another key" else _own_note
                Checkpoint.objects.filter(epoch=1, size=checkpoint.size).update(
                    root=top, note=sign(checkpoint.size, top)
                )
            lines = list(map(entry_bytes, forked))
            with pytest.raises(offline.Unverified, match=r"not those of the older checkpoint|key that you trust"):
                list(offline.verify_log(lines, newest_of(1), offline.Pinned([log_key()]), previous=kept))

        assert found(fork)

    check()


@pytest.mark.usefixtures("log")
def test_a_cosignature_that_its_witness_did_not_make_is_found_whichever_keys_are_trusted(settings: Settings) -> None:
    stored = Cosignature.objects.earliest("size")
    note = Checkpoint.objects.get(epoch=stored.epoch, size=stored.size).note
    at, identifier = int(stored.at.timestamp()), WITNESS.verifier.id
    line = signature_line(WITNESS.name, identifier, at.to_bytes(8) + bytes(64))
    assert "cosignature of witness.example/w1" in found(lambda: put(stored, "line", line))
    # Nor where the key is trusted no more, or was replaced under the same name: the log knows what it took.
    successor = type(WITNESS)(name=WITNESS.name, seed=b"3" * 32)
    anew = successor.cosign(note.partition("\n\n")[0] + "\n", at=at)
    for trusted in ([], [str(successor.verifier)]):
        settings.AUDIT_WITNESSES = trusted
        assert found(lambda: None) == "", "that is no alteration"
        for other in (line, anew):
            assert "was changed" in found(partial(put, stored, "line", other))
    assert "was changed" in found(lambda: put(stored, "at", stored.at + timedelta(seconds=1)))


def newest_of(epoch: int) -> str:
    return Checkpoint.objects.filter(epoch=epoch).latest("size").note


def _own_note(size: int, top: bytes) -> str:
    return signed_checkpoint(log_name(1), size, top)


def add(epoch: int) -> None:
    services.record(actor=Actor.service("test"), action="test.done", target=("thing", "1"), controller_id=None)
    size = Sequenced.objects.filter(epoch=epoch).count()
    Sequenced.objects.create(epoch=epoch, index=size, entry=Entry.objects.latest("id"))


def swap(one: Sequenced, two: Sequenced) -> None:
    Sequenced.objects.filter(epoch=two.epoch, index=two.index).delete()
    put(one, "entry_id", two.entry_id)
    Sequenced.objects.create(epoch=two.epoch, index=two.index, entry_id=one.entry_id)


def put(row: models.Model, name: str, value: object) -> None:
    """Change a stored value behind the back of everything."""
    fields = {field.attname: field for field in row._meta.concrete_fields}
    facts = [(fields[name], value), *((fields[key], getattr(row, key)) for key in KEYS.get(type(row), ("id",)))]
    column, *keys = (connection.ops.quote_name(str(field.column)) for field, _ in facts)
    # Names of ours.
    statement = f"UPDATE {row._meta.db_table} SET {column} = %s WHERE {' AND '.join(f'{key} = %s' for key in keys)}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [field.get_db_prep_save(stored, connection) for field, stored in facts])
        assert cursor.rowcount == 1


def other(value: object, data: st.DataObject) -> object:
    """The value with one bit that is another."""
    bit = data.draw(st.integers(0, 2**16), label="bit")
    if isinstance(value, bytes | memoryview):
        return flipped(bytes(value), bit)
    if isinstance(value, datetime):
        return value + timedelta(microseconds=1 << bit % 40)
    if isinstance(value, UUID):
        return UUID(bytes=flipped(value.bytes, bit))
    if isinstance(value, int):
        return value ^ 1 << bit % 31
    if isinstance(value, dict):
        return {**value, "added": 1} if bit % 2 or not value else dict(list(value.items())[1:])
    if isinstance(value, str):
        return changed_text(value, bit)
    assert value is None
    return uuid4()  # a controller or a person where there was none


def flipped(value: bytes, bit: int) -> bytes:
    at, within = divmod(bit % (len(value) * 8), 8)
    return value[:at] + bytes([value[at] ^ 1 << within]) + value[at + 1 :]


def changed_text(value: str, bit: int) -> str:
    if not value:
        return "x"
    at = bit % len(value)
    sign = chr(ord(value[at]) ^ 1 << bit % 7) if ord(value[at]) < 128 else "x"
    return value[:at] + (sign if sign != "\0" else "") + value[at + 1 :]


@pytest.mark.usefixtures("log")
def test_a_cosignature_that_the_log_says_was_taken_and_is_not_there_is_found() -> None:
    stored = Cosignature.objects.earliest("size")

    def take_out() -> None:
        with triggers_lifted("default"):
            Cosignature.objects.filter(pk=stored.pk).delete()

    of = f"the checkpoint of {stored.size} entries of epoch 1"
    assert found(take_out) == f"the cosignature of {stored.witness} on {of} is missing"


@pytest.mark.usefixtures("log")
def test_history_that_is_signed_anew_by_a_key_that_was_put_into_the_keys_database_is_found() -> None:
    forger = Ed25519PrivateKey.generate()
    put_there = SigningKey.objects.create(
        use=SigningUse.CHECKPOINT,
        public_key=forger.public_key().public_bytes_raw(),
        wrapped=bytes(60),
        valid_from=clock.now(),
        valid_until=clock.now(),
    )
    assert verified() == f"the key {put_there.id} that signs checkpoints was not made by this service"
    ours = SigningKey.objects.get(use=SigningUse.CHECKPOINT, valid_until=None)
    SigningKey.objects.filter(id=put_there.id).update(wrapped=ours.wrapped)
    assert "was not made by this service" in verified(), "nor with a private half of ours beside it"
    SigningKey.objects.filter(id=put_there.id).delete()
    SigningKey.objects.filter(id=ours.id).update(public_key=put_there.public_key)
    assert "was not made by this service" in verified(), "nor in the place of ours"
