"""The log as files, for whoever verifies it elsewhere."""

from collections.abc import Iterator

from identity_privacy.audit.canonical import entry_bytes
from identity_privacy.audit.models import Checkpoint, Sequenced


def export_lines(checkpoint: Checkpoint) -> Iterator[bytes]:
    """An epoch of the log up to a checkpoint, as JSON lines in its order; `offline.py` verifies them with it."""
    places = Sequenced.objects.filter(epoch=checkpoint.epoch, index__lt=checkpoint.size).order_by("index")
    for place in places.select_related("entry").iterator():
        yield entry_bytes(place.entry) + b"\n"
