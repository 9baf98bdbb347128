"""A pruned log is verified and exported as any other, and nothing else may be missing from it."""

import io
import json
from base64 import b64decode
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from identity_privacy.audit import offline, services
from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.merkle import root
from identity_privacy.audit.models import Entry, Sequenced, Tile
from identity_privacy.audit.offline import leaf_hash
from identity_privacy.audit.verification import verify_log
from tests.audit.aged import DBA, OLD, enter_on, grown, prune
from tests.conftest import triggers_lifted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partitions_of_old")]


def test_an_entry_missing_from_after_the_pruned_ones_is_named() -> None:
    _, younger = grown()
    prune("--before", "2015-04-01", "--yes")
    with triggers_lifted("default"):
        Entry.objects.filter(id=younger[5].id).delete()
    with pytest.raises(LogAltered, match="entry 305 of epoch 1 is missing"):
        verify_log()


def test_a_place_missing_among_the_pruned_ones_is_named() -> None:
    grown()
    prune("--before", "2015-04-01", "--yes")
    with triggers_lifted("default"):
        Sequenced.objects.filter(index=5).delete()
    with pytest.raises(LogAltered, match="entry 5 of epoch 1 is missing"):
        verify_log()


def test_more_missing_than_were_pruned_is_found() -> None:
    enter_on(OLD, 2)
    enter_on(OLD, action="log.handed_over", target_kind="log")
    prune("--before", "2015-04-01", "--yes")
    with triggers_lifted("default"):
        Entry.objects.filter(action="log.handed_over").delete()
    with pytest.raises(LogAltered, match="1 entries are missing beside"):
        verify_log()


@pytest.mark.parametrize("details", [{}, {"before": "2017-01-01", "count": 600}])
def test_a_statement_that_was_changed_states_nothing(details: dict[str, str | int]) -> None:
    grown()
    prune("--before", "2015-04-01", "--yes")
    with triggers_lifted("default"):
        Entry.objects.filter(action="log.pruned").update(details=details)
    with pytest.raises(LogAltered, match="entry 0 of epoch 1 is missing"):
        verify_log()


@pytest.mark.parametrize("details", [{}, {"before": "soon", "count": 9}, {"before": "2999-01-01", "count": 9}])
def test_a_statement_that_no_pruning_makes_excuses_nothing(details: dict[str, str | int]) -> None:
    services.record(actor=DBA, action="log.pruned", target=("log", "1"), controller_id=None, details=details)
    services.record(actor=DBA, action="test.done", target=("thing", "1"), controller_id=None)
    services.sequence()
    assert verify_log() == 2
    with triggers_lifted("default"):
        Entry.objects.filter(action="test.done").delete()
    with pytest.raises(LogAltered, match="entry 1 of epoch 1 is missing"):
        verify_log()


def test_another_hash_in_the_place_of_a_pruned_entry_is_found() -> None:
    grown()
    prune("--before", "2015-04-01", "--yes")
    tile = Tile.objects.get(level=0, index=0)
    tile.hashes = bytes(32) + bytes(tile.hashes)[32:]
    tile.save()
    with pytest.raises(LogAltered, match="entry 0 of epoch 1 was changed, or the node of level 8 above it"):
        verify_log()


# --- The export ---------------------------------------------------------------------------------------


def test_an_export_holds_the_hashes_of_what_was_pruned(tmp_path: Path) -> None:
    grown()
    enter_on(OLD, action="log.handed_over", target_kind="log")
    prune("--before", "2015-04-01", "--yes")
    call_command("audit", "export", tmp_path, stdout=io.StringIO())
    lines = (tmp_path / "log.jsonl").read_bytes().splitlines()
    bare = [b64decode(line["leaf"]) if list(line := json.loads(raw)) == ["leaf"] else b"" for raw in lines]
    assert sum(map(bool, bare)) == 300
    checkpoint = latest_checkpoint()
    assert checkpoint is not None
    leaves = [leaf or leaf_hash(raw) for leaf, raw in zip(bare, lines, strict=True)]

    def node(level: int, index: int) -> bytes:
        if level == 0:
            return leaves[index]
        return offline.node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    assert len(leaves) == checkpoint.size
    assert root(len(leaves), node) == bytes(checkpoint.root)


def test_an_export_stops_at_an_entry_that_is_missing(tmp_path: Path) -> None:
    old, _ = grown()
    with triggers_lifted("default"):
        Entry.objects.filter(id=old[2].id).delete()
    with pytest.raises(CommandError, match="entry 2 of epoch 1 is missing"):
        call_command("audit", "export", tmp_path)
