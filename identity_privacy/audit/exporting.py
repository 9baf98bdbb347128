"""The log as files, for whoever verifies it elsewhere."""

from collections.abc import Iterator

from identity_privacy.audit.canonical import entry_bytes
from identity_privacy.audit.models import Checkpoint, Sequenced
from identity_privacy.audit.pruning import pruned_lines


def export_lines(checkpoint: Checkpoint) -> Iterator[bytes]:
    """An epoch of the log up to a checkpoint, as JSON lines in its order; `offline.py` verifies them with it.

    Of an entry that was pruned there is the leaf hash alone: `{"leaf":"<base64>"}`. Raises: LogAltered, if one was not.
    """
    places = Sequenced.objects.filter(epoch=checkpoint.epoch, index__lt=checkpoint.size).order_by("index")
    expected = 0
    for place in places.select_related("entry").iterator():
        yield from pruned_lines(checkpoint.epoch, expected, place.index)
        yield entry_bytes(place.entry) + b"\n"
        expected = place.index + 1
    yield from pruned_lines(checkpoint.epoch, expected, checkpoint.size)
