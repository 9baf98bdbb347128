"""The log as files, for whoever verifies it elsewhere with `offline.py`.

checkpoint       what is signed: how many entries there are, and the root of their tree (with every cosignature)
checkpoint.keys  the log's public keys, for whoever trusts a fingerprint
log.jsonl        every entry, one a line; or its hash alone, `{"leaf":…}`, where it is another controller's
proofs.jsonl     or some entries, each with the proof that it stands in the log
growth.json, older-checkpoint    with those since a day, the proof that the log only grew since then
epoch-1/         the same of the log before it was opened anew
offline.py, README.txt           with what and how to verify all that
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time
from itertools import chain
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from identity_privacy.audit import offline
from identity_privacy.audit.alone import one_moment
from identity_privacy.audit.canonical import canonical_json, entry_object
from identity_privacy.audit.checkpoints import cosigned_note, latest_checkpoint
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.models import Checkpoint, Cosignature, Entry, Sequenced
from identity_privacy.audit.proofs import inclusion_hashes, prove_consistency
from identity_privacy.audit.pruning import refuse_unless_pruned, runs_of, with_pruned
from identity_privacy.audit.stored_tree import as_bytes
from identity_privacy.audit.tiles import TileReader
from identity_privacy.audit.walking import Stored, walk
from identity_privacy.crypto.signing import public_keys
from identity_privacy.crypto.terms import SigningUse
from identity_privacy.errors import NotFound
from identity_privacy.private_files import Open

# Told how many more entries were written.
Progress: TypeAlias = Callable[[int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of the log is exported; where nothing is named, all of it.

    A controller alone: the whole log, its own entries in full and all others as hashes. Those of no controller are the
    deployment's, and hashes too: they may tell of other controllers' people. Only the entries that hand the log over
    are always in full, since without them nobody could go on from an older checkpoint.
    """

    controller_id: UUID | None = None
    subject_id: UUID | None = None
    request_id: UUID | None = None
    since: date | None = None
    epoch: int | None = None
    cosigned: bool = False

    @property
    def is_of_entries(self) -> bool:
        """Whether it is single entries, each with its proof."""
        return bool(self.subject_id or self.request_id or self.since)

    @property
    def names_entries(self) -> bool:
        """Whether it is not simply all of them, or all since a day."""
        return bool(self.controller_id or self.subject_id or self.request_id)

    def entries(self) -> QuerySet[Entry]:
        """Those of the controller, person and request; `since` goes by their places."""
        found = Entry.objects.all()
        if self.controller_id:
            found = found.filter(controller_id=self.controller_id)
        if self.subject_id:
            found = found.filter(subject_id=self.subject_id)
        if self.request_id:
            request = str(self.request_id)
            itself = Q(target_kind="request", target_id=request)
            people = Entry.objects.filter(itself).values_list("subject_id", flat=True)
            # What is about its tasks names it in the details; the person, by whom there is an index, is the same.
            found = found.filter(itself | Q(subject_id__in=set(people) - {None}, details__request=request))
        return found

    def whose(self) -> tuple[UUID | None, UUID | None]:
        """The controller and the person whom it is about, as far as it is about one. Raises: NotFound."""
        first = self.entries().order_by("id").values_list("controller_id", "subject_id").first()
        if first is None and self.names_entries:
            raise NotFound("there is no such entry")
        return first if first and (self.subject_id or self.request_id) else (self.controller_id, None)

    def details(self) -> dict[str, str | int | bool]:
        """What was asked for, but for whose, as the log's own entry has it."""
        asked: dict[str, str | int | bool | None] = {
            "cosigned": self.cosigned,
            "epoch": self.epoch,
            "request": str(self.request_id) if self.request_id else None,
            "since": self.since.isoformat() if self.since else None,
        }
        return {name: value for name, value in asked.items() if value}

    def shows(self, stored: Stored) -> bool:
        """Whether an export of the whole log holds what this entry says."""
        return self.controller_id is None or stored.controller_id == str(self.controller_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What was exported of one epoch: into which folder below the export's, and under which checkpoint.

    Of `count` entries it holds `in_full` with what they say; `older` is the checkpoint since which they are.
    """

    folder: str
    checkpoint: Checkpoint
    older: Checkpoint | None
    count: int = 0
    in_full: int = 0


def write_export(create: Open, selection: Selection, progress: Progress) -> list[Part]:
    """Write the files of an export, all but its README; says what they hold, the newest epoch first.

    Raises: NotFound, where there is nothing to export; LogAltered, for an entry that is missing or was changed.
    """
    with one_moment():
        planned = _planned(selection)
        parts = [part for plan in planned if (part := _write_part(create, plan, selection, progress)).count]
    if not parts:
        raise NotFound("there is nothing to export: no such entry, or none under such a checkpoint")
    create("offline.py").write(Path(offline.__file__).read_bytes())
    return parts


def refuse_nothing(selection: Selection) -> None:
    """Raises: NotFound, where there is no such epoch, or no checkpoint that a witness has cosigned."""
    if Checkpoint.objects.exists() and not _planned(selection):
        raise NotFound("there is nothing to export: no such epoch, or none that a witness has cosigned")


def _planned(selection: Selection) -> list[Part]:
    older = _last_before(selection.since) if selection.since else None
    every = sorted(set(Checkpoint.objects.values_list("epoch", flat=True).distinct()), reverse=True)
    epochs = every if selection.epoch is None else [selection.epoch]
    return [
        Part(
            folder="" if epoch == epochs[0] else f"epoch-{epoch}/",
            checkpoint=checkpoint,
            older=older if older and older.epoch == epoch else None,
        )
        for epoch in epochs
        if (checkpoint := _newest(epoch, cosigned=selection.cosigned)) and not (older and epoch < older.epoch)
    ]


def _newest(epoch: int, *, cosigned: bool) -> Checkpoint | None:
    if not cosigned:
        return latest_checkpoint(epoch)
    sizes = Cosignature.objects.filter(epoch=epoch).order_by("-size").values_list("size", flat=True)
    return Checkpoint.objects.filter(epoch=epoch, size=sizes[0]).first() if sizes else None


def _last_before(day: date) -> Checkpoint | None:
    """The last checkpoint that was signed before a day, by UTC."""
    began = datetime.combine(day, time(), tzinfo=UTC)
    return Checkpoint.objects.filter(at__lt=began).order_by("-epoch", "-size").first()


def _write_part(create: Open, part: Part, selection: Selection, progress: Progress) -> Part:
    lines = _proven(part, selection) if selection.is_of_entries else _placed(part, selection)
    first = next(lines, None)
    if first is None:
        return part
    file = create(f"{part.folder}{'proofs' if selection.is_of_entries else 'log'}.jsonl")
    count = in_full = 0
    for line in chain([first], lines):
        file.write(line + b"\n")
        count += 1
        in_full += not line.startswith(offline.HASH_ALONE)
        progress(1)
    create(f"{part.folder}checkpoint").write(cosigned_note(part.checkpoint).encode())
    keys = [key.public_key for key in public_keys() if key.use is SigningUse.CHECKPOINT]
    create(f"{part.folder}checkpoint.keys").write(b"".join(base64.b64encode(key) + b"\n" for key in keys))
    if part.older:
        growth = prove_consistency(part.checkpoint.epoch, part.older.size, part.checkpoint.size)
        create(f"{part.folder}older-checkpoint").write(cosigned_note(part.older).encode())
        create(f"{part.folder}growth.json").write(canonical_json(asdict(growth)) + b"\n")
    return replace(part, count=count, in_full=in_full)


def _placed(part: Part, selection: Selection) -> Iterator[bytes]:
    """Each entry of an epoch in its order, or its hash alone."""
    with closing(walk(part.checkpoint.epoch, part.checkpoint.size)) as batches:
        for batch in batches:
            for stored in with_pruned(part.checkpoint.epoch, batch):
                # The hand-over, too: without it nobody could go on from an older checkpoint.
                is_shown = selection.shows(stored) or (stored.place == 0 and part.checkpoint.epoch > 1)
                yield stored.line if is_shown and stored.entry_id else _hash_alone(part.checkpoint.epoch, stored)


def _hash_alone(epoch: int, stored: Stored) -> bytes:
    if not (leaf := as_bytes(stored.leaf_hash)):
        raise LogAltered(f"entry {stored.place} of epoch {epoch} is missing")
    return canonical_json({"leaf": base64.b64encode(leaf).decode()})


def _refuse_missing(places: QuerySet[Sequenced]) -> None:
    """Let none of the entries be missing but those that were pruned. Raises: LogAltered."""
    for run in runs_of(places.exclude(Exists(Entry.objects.filter(id=OuterRef("entry_id"))))):
        refuse_unless_pruned(run)


def _proven(part: Part, selection: Selection) -> Iterator[bytes]:
    """Each of the entries, in the log's order, with its inclusion proof."""
    epoch, size = part.checkpoint.epoch, part.checkpoint.size
    places = Sequenced.objects.filter(epoch=epoch, index__gte=part.older.size if part.older else 0, index__lt=size)
    if selection.names_entries:
        places = places.filter(entry__in=selection.entries())
    else:
        _refuse_missing(places)
    node = TileReader(epoch)
    for place in places.select_related("entry").order_by("index").iterator(chunk_size=500):
        hashes = inclusion_hashes(place.index, size, node)
        try:
            yield canonical_json({"entry": entry_object(place.entry), "hashes": hashes, "index": place.index})
        except ValueError:
            raise LogAltered(f"entry {place.index} of epoch {epoch} was changed") from None
