"""A part of the log as a file: some of its entries, each with the proof that it stands there.

One line an entry, in the log's order, as canonical JSON: what `GET /api/v1/audit/entries/ID/proof/` answers.

    {"checkpoint":"…","entry":{"action":"request.accepted",…},"hashes":["…"],"index":7}
"""

import base64
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Final

from django.db.models import QuerySet

from identity_privacy.audit.canonical import canonical_json, entry_object
from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.merkle import NodeHash, inclusion_proof
from identity_privacy.audit.models import Checkpoint, Entry, Sequenced
from identity_privacy.audit.tiles import TileReader

# So many entries share what was read of the tree; then it is let go, so that a long file needs no long memory.
TOGETHER: Final = 500


def proven_lines(entries: QuerySet[Entry]) -> Iterator[bytes]:
    """Those of the entries that have their place by now, under the newest checkpoint of each epoch."""
    places = Sequenced.objects.filter(entry__in=entries.order_by().values("pk")).select_related("entry")
    found = places.order_by("epoch", "index").iterator(chunk_size=TOGETHER)
    checkpoints: dict[int, Checkpoint | None] = {}
    while together := list(islice(found, TOGETHER)):
        trees: dict[int, NodeHash] = {}
        for place in together:
            if place.epoch not in checkpoints:
                checkpoints[place.epoch] = latest_checkpoint(place.epoch)
            checkpoint = checkpoints[place.epoch]
            # One that got its place since is under a newer checkpoint: this file has one of each epoch.
            if checkpoint and place.index < checkpoint.size:
                # Neighbours in the log share most of their siblings.
                tree = trees.setdefault(place.epoch, cache(TileReader(place.epoch)))
                yield _line(place, checkpoint, tree)


def _line(place: Sequenced, checkpoint: Checkpoint, tree: NodeHash) -> bytes:
    hashes = inclusion_proof(place.index, checkpoint.size, tree)
    proof = {
        "entry": entry_object(place.entry),
        "index": place.index,
        "hashes": [base64.b64encode(part).decode() for part in hashes],
        "checkpoint": checkpoint.note,
    }
    return canonical_json(proof) + b"\n"
