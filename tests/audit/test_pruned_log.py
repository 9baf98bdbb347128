"""A pruned log is verified and exported as any other, and nothing else may be missing from it."""

import io
import json
from base64 import b64decode
from functools import partial
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


def test_what_was_kept_may_not_be_missing_even_where_a_pruned_entry_is_put_back() -> None:
    old = enter_on(OLD, 2)
    enter_on(OLD, action="log.handed_over", target_kind="log")
    enter_on(OLD)
    prune("--before", "2015-04-01", "--yes")
    name = "identity-privacy.example/log"
    assert Entry.objects.get(action="log.pruned").details["places"] == [f"{name} 0-1", f"{name} 3-3"]
    with triggers_lifted("default"):
        Entry.objects.filter(action="log.handed_over").delete()
    with pytest.raises(LogAltered, match="entry 2 of epoch 1 is missing"):
        verify_log()
    old[0].save(force_insert=True)
    with pytest.raises(LogAltered, match="entry 2 of epoch 1 is missing"):
        verify_log()


@pytest.mark.parametrize("details", [{}, {"before": "2017-01-01", "count": 600}])
def test_a_statement_that_was_changed_states_nothing(details: dict[str, str | int]) -> None:
    grown()
    prune("--before", "2015-04-01", "--yes")
    with triggers_lifted("default"):
        Entry.objects.filter(action="log.pruned").update(details=details)
    with pytest.raises(LogAltered, match="entry 0 of epoch 1 is missing"):
        verify_log()


PLACE_1 = "identity-privacy.example/log 1-1"
STATED: dict[str, str | int | list[str]] = {"before": "2015-04-01", "count": 1, "keep_days": 1461, "places": [PLACE_1]}


@pytest.mark.parametrize(
    "more",
    [
        {"before": "soon"},
        {"before": "2999-01-01"},
        {"before": "2015-05-01"},  # no whole quarter
        {"before": "2015-01-01"},  # the entry is younger
        {"keep_days": 10_000},  # longer ago than it says is kept
        {"keep_days": -10_000, "before": "2030-01-01"},
        {"keep_days": 10**10},
        {"keep_days": "for ever"},
        {"places": []},
        {"places": ["identity-privacy.example/log 0-0"]},
        {"places": ["identity-privacy.example/log/epoch-2 1-1"]},
        {"places": ["another.example/log 1-1"]},
        {"places": ["1"]},
        {"places": 1},
    ],
    ids=str,
)
def test_a_statement_that_no_pruning_makes_excuses_nothing(more: dict[str, str | int | list[str]]) -> None:
    record = partial(services.record, actor=DBA, action="log.pruned", target=("log", "1"), controller_id=None)
    record(details={**STATED, **more})
    services.sequence()
    (entry,) = enter_on(OLD)
    services.sequence()
    assert verify_log() == 2
    with triggers_lifted("default"):
        Entry.objects.filter(id=entry.id).delete()
    with pytest.raises(LogAltered, match="entry 1 of epoch 1 is missing"):
        verify_log()
    record(details=STATED)
    services.sequence()
    assert verify_log() == 3, "and the same as a pruning makes it does"


def test_verifying_shows_what_was_pruned_and_how_long_was_kept() -> None:
    grown()
    prune("--before", "2015-04-01", "--yes")
    out = io.StringIO()
    call_command("audit", "verify", stdout=out)
    assert "300 entries from before 2015-04-01, when 1461 days were kept" in out.getvalue()


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
