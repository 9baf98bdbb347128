"""The tree's hashes as stored tiles of 256, so that a proof reads a handful of rows (after C2SP tlog-tiles)."""

from collections.abc import Iterator, Sequence

from identity_privacy.audit.merkle import node_hash
from identity_privacy.audit.models import Tile

HEIGHT = 8
WIDTH = 1 << HEIGHT
HASH_BYTES = 32


class TileReader:
    """Gives the hash of any full node of one epoch's stored tree, reading each tile once."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._tiles: dict[tuple[int, int], bytes] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of node `(level, index)`; see `merkle.NodeHash`."""
        tile_level, above = divmod(level, HEIGHT)
        first = index << above
        tile = self._tile(tile_level, first // WIDTH)
        start = first % WIDTH
        hashes = [tile[at * HASH_BYTES : (at + 1) * HASH_BYTES] for at in range(start, start + (1 << above))]
        while len(hashes) > 1:
            hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
        return hashes[0]

    def _tile(self, level: int, index: int) -> bytes:
        place = (level, index)
        if place not in self._tiles:
            self._tiles[place] = bytes(
                Tile.objects.values_list("hashes", flat=True).get(epoch=self._epoch, level=level, index=index)
            )
        return self._tiles[place]


def leaf_hashes(epoch: int, start: int, end: int) -> Iterator[bytes]:
    """The stored leaf hashes of an epoch, from `start` up to `end`, a tile at a time."""
    tiles = Tile.objects.filter(epoch=epoch, level=0, index__gte=start // WIDTH, index__lte=(end - 1) // WIDTH)
    for index, hashes in tiles.order_by("index").values_list("index", "hashes").iterator(chunk_size=100):
        first = index * WIDTH
        for at in range(max(start, first) - first, min(end, first + WIDTH) - first):
            yield bytes(hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES])


def append(epoch: int, size: int, leaf_hashes: Sequence[bytes]) -> None:
    """Add leaves behind an epoch's tree of `size`; each level's tiles are written once, and full ones feed the next."""
    level, start, hashes = 0, size, list(leaf_hashes)
    while hashes:
        position = start % WIDTH
        index = start // WIDTH
        begun = Tile.objects.filter(epoch=epoch, level=level, index=index).first() if position else None
        row = (bytes(begun.hashes) if begun else b"") + b"".join(hashes)
        step = WIDTH * HASH_BYTES
        pieces = [row[at : at + step] for at in range(0, len(row), step)]
        tiles = [Tile(epoch=epoch, level=level, index=index + at, hashes=piece) for at, piece in enumerate(pieces)]
        Tile.objects.bulk_create(
            tiles,
            update_conflicts=True,
            unique_fields=["epoch", "level", "index"],
            update_fields=["hashes"],
            batch_size=500,
        )
        hashes = [_tile_root(piece) for piece in pieces if len(piece) == step]
        level, start = level + 1, index


def _tile_root(tile: bytes) -> bytes:
    hashes = [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]
