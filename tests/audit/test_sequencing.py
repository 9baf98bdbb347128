"""Every committed entry gets its place, once, whoever else writes or sequences at the same time."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from uuid_utils.compat import uuid7

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit import services
from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.models import Checkpoint, Entry, Horizon, Sequenced, Tile
from identity_privacy.audit.sequencing import place_new_entries
from identity_privacy.audit.services import growing
from identity_privacy.audit.verification import verify_log
from identity_privacy.audit.waiting import waiting
from tests.conftest import triggers_lifted

pytestmark = pytest.mark.django_db(transaction=True)


def enter(count: int = 1) -> None:
    for _ in range(count):
        services.record(actor=Actor.service("test"), action="test.done", target=("thing", "1"), controller_id=None)


def beside(work: Callable[[], object]) -> None:
    """Do something on a connection of its own, to its end."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@pytest.mark.only_on("postgresql")
def test_a_long_transaction_holds_up_nobody_elses_entry_and_its_own_follows() -> None:
    with transaction.atomic():
        enter()
        beside(lambda: enter(2))
        beside(services.sequence)
        # What is seen here is what others have: two with their place, the third is ours.
        assert Sequenced.objects.count() == 2
    assert services.sequence() == 1
    assert verify_log() == 3
    assert services.sequence() == 0


@pytest.mark.only_on("postgresql")
def test_after_a_restore_into_another_cluster_all_are_looked_at_once() -> None:
    enter(3)
    services.sequence()
    Horizon.objects.update(cluster="another", written_in=2**40)
    enter(2)
    assert services.sequence() == 2
    assert verify_log() == 5
    assert Horizon.objects.get().written_in < 2**40


def written_elsewhere(count: int) -> None:
    """Entries with the number of a transaction that this cluster will not come to, as a restore brings them."""
    enter(count)
    newest = Entry.objects.order_by("-id").values("id")[:count]
    with triggers_lifted("default"):
        Entry.objects.filter(id__in=newest).update(written_in=2**40)


@pytest.mark.only_on("postgresql")
def test_what_a_restore_brought_is_found_over_several_batches_and_then_never_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(growing, "BATCH", 2)
    enter(3)
    services.sequence()
    Horizon.objects.update(cluster="another")
    written_elsewhere(5)
    enter(2)
    assert services.sequence() == 7
    assert verify_log() == 10
    # One more of them shows which rows a run looks at: this one would be found if it looked there.
    written_elsewhere(1)
    enter(3)
    assert services.sequence() == 3
    assert Sequenced.objects.count() == 13


@pytest.mark.only_on("postgresql")
def test_an_entry_of_the_sequencers_own_transaction_gets_its_place_with_it() -> None:
    services.sequence()
    with transaction.atomic():
        enter(2)
        assert len(place_new_entries(1, 0, 10)) == 2


def test_more_than_a_batch_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "BATCH", 4)
    enter(11)
    assert services.sequence() == 11
    assert list(Sequenced.objects.order_by("index").values_list("entry_id", flat=True)) == list(
        Entry.objects.order_by("id").values_list("id", flat=True)
    )
    enter(3)
    assert services.sequence() == 3
    assert verify_log() == 14


def test_the_log_is_not_sequenced_in_a_transaction_that_might_roll_back() -> None:
    enter()
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        services.sequence()
    assert services.sequence() == 1


def test_what_was_changed_before_it_got_its_place_is_found_too() -> None:
    enter(2)
    changed = Entry.objects.earliest("id")
    with triggers_lifted("default"):
        Entry.objects.filter(id=changed.id).update(reason="another")
    services.sequence()
    with pytest.raises(LogAltered, match="entry 0 of epoch 1 was changed"):
        verify_log()


def put_in(column: str, value: int | None) -> UUID:
    """A copy of the first entry, as somebody puts it in who owns the table; returns its id."""
    entry, other = Entry.objects.earliest("id"), uuid7()
    put = {name: name for name in (str(field.column) for field in Entry._meta.concrete_fields)}
    put |= {column: "%s", "id": "%s"}
    values = {name: value if name == column else other.hex for name, held in put.items() if held == "%s"}
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO audit_entry ({', '.join(put)}) SELECT {', '.join(put.values())} "  # noqa: S608  # ours
            "FROM audit_entry WHERE id = %s",
            [*values.values(), entry.id.hex],
        )
    return UUID(other.hex)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("written_in", [None, 1, 2**62])
def test_an_entry_that_somebody_kept_from_the_sequencer_is_named(written_in: int | None) -> None:
    enter(3)
    services.sequence()
    kept = put_in("written_in", written_in)
    assert services.sequence() == 0
    with pytest.raises(LogAltered, match=f"the entry {kept} has no place in the log, and the sequencer does not look"):
        verify_log()


@pytest.mark.only_on("sqlite")
def test_an_entry_that_somebody_put_in_before_others_is_named() -> None:
    enter(3)
    services.sequence()
    kept = put_in("rowid", -5)
    assert services.sequence() == 0
    with pytest.raises(LogAltered, match=f"the entry {kept} has no place in the log, and the sequencer does not look"):
        verify_log()


@pytest.mark.only_on("postgresql")
def test_a_horizon_that_was_moved_keeps_no_entry_from_its_place() -> None:
    enter(3)
    services.sequence()
    enter(2)
    Horizon.objects.update(written_in=2**62)
    assert waiting().count == 2
    assert services.sequence() == 2
    assert verify_log() == 5


def _flip(tile: Tile) -> None:
    Tile.objects.filter(pk=tile.pk).update(hashes=bytes([tile.hashes[0] ^ 1]) + bytes(tile.hashes[1:]))


@pytest.mark.parametrize(("level", "index"), [(0, 1), (1, 0)])
def test_nothing_is_signed_on_top_of_a_tree_that_was_not(level: int, index: int) -> None:
    enter(300)
    services.sequence()
    before = latest_checkpoint()
    tile = Tile.objects.get(epoch=1, level=level, index=index)
    _flip(tile)
    enter(1)
    with pytest.raises(LogAltered, match="300 places of epoch 1 and their tree are not what the newest checkpoint"):
        services.sequence()
    assert latest_checkpoint() == before, "so it can be put right"
    Tile.objects.filter(pk=tile.pk).update(hashes=tile.hashes)
    assert services.sequence() == 1
    assert verify_log() == 301


def test_nothing_is_added_to_a_tile_that_holds_more_than_its_entries() -> None:
    enter(3)
    services.sequence()
    tile = Tile.objects.get()
    Tile.objects.update(hashes=bytes(tile.hashes) + bytes(32))
    enter(1)
    with pytest.raises(LogAltered, match="does not hold 3 hashes"):
        services.sequence()


def test_nothing_is_signed_behind_a_checkpoint_that_is_not_ours() -> None:
    enter(3)
    services.sequence()
    Checkpoint.objects.create(epoch=2**31 - 1, size=1, root=bytes(32), at=clock.now(), note="not a note")
    enter(1)
    with pytest.raises(LogAltered):
        services.sequence()
    with pytest.raises(CommandError, match=r"`manage\.py audit verify` looks where"):
        call_command("audit", "sequence")
