"""The tree's hashes as stored tiles of 256, so that a proof reads a handful of rows (after C2SP tlog-tiles)."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from typing import Final, TypeVar

from django.db import connection

from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.merkle import NodeHash
from identity_privacy.audit.models import Tile

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
HASH_BYTES: Final = 32
TILE_BYTES: Final = WIDTH * HASH_BYTES
# Of 8 KiB each, and of 32 bytes: proofs of one entry after the other need the same ones again.
MOST_TILES: Final = 64
MOST_NODES: Final = 4096
# Django would take as long to spell a condition for each of them as the rest of a proof takes.
_TILES: Final = 'SELECT level, "index", hashes FROM audit_tile WHERE epoch = %s AND (level, "index") IN (VALUES {})'

T = TypeVar("T")


class TileReader:
    """Gives the hash of any full node of one epoch's stored tree; it keeps what it read last.

    Raises: LogAltered, where a tile is missing.
    """

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._tiles: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._inner = lru_cache(MOST_NODES)(self._within)

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of node `(level, index)`; see `merkle.NodeHash`."""
        return self._inner(level, index)

    def ahead(self, work: Callable[[NodeHash], T]) -> T:
        """Do what asks for nodes, after one query for all tiles in which they stand."""
        places: set[tuple[int, int]] = set()

        def note(level: int, index: int) -> bytes:
            tile_level, above = divmod(level, HEIGHT)
            places.add((tile_level, (index << above) // WIDTH))
            return b""

        work(note)
        self._read([place for place in places if place not in self._tiles])
        return work(self)

    def _within(self, level: int, index: int) -> bytes:
        tile_level, above = divmod(level, HEIGHT)
        first = index << above
        place, at = (tile_level, first // WIDTH), first % WIDTH * HASH_BYTES
        if place not in self._tiles:
            self._read([place])
        self._tiles.move_to_end(place)
        return tile_root(self._tiles[place][at : at + (HASH_BYTES << above)])

    def _read(self, places: Collection[tuple[int, int]]) -> None:
        if not places:
            return
        with connection.cursor() as cursor:
            asked = ", ".join(["(%s, %s)"] * len(places))
            cursor.execute(_TILES.format(asked), [self._epoch, *chain.from_iterable(places)])
            self._tiles |= {(level, index): bytes(hashes) for level, index, hashes in cursor.fetchall()}
        if missing := [place for place in places if place not in self._tiles]:
            raise LogAltered(f"tile {missing[0]} of epoch {self._epoch}'s tree is missing")
        while len(self._tiles) > MOST_TILES:
            self._tiles.popitem(last=False)


def leaf_hashes(epoch: int, start: int, end: int) -> Iterator[bytes]:
    """The stored leaf hashes of an epoch, from `start` up to `end`, a tile at a time."""
    tiles = Tile.objects.filter(epoch=epoch, level=0, index__gte=start // WIDTH, index__lte=(end - 1) // WIDTH)
    for index, hashes in tiles.order_by("index").values_list("index", "hashes").iterator(chunk_size=100):
        first = index * WIDTH
        for at in range(max(start, first) - first, min(end, first + WIDTH) - first):
            yield bytes(hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES])


def append(epoch: int, size: int, leaf_hashes: Sequence[bytes]) -> None:
    """Add leaves behind an epoch's tree of `size`; each level's tiles are written once, and full ones feed the next.

    Raises: LogAltered, where a tile that goes on holds more or less than it should.
    """
    level, start, hashes = 0, size, list(leaf_hashes)
    while hashes:
        position = start % WIDTH
        index = start // WIDTH
        row = _begun(epoch, level, index, position) + b"".join(hashes)
        pieces = [row[at : at + TILE_BYTES] for at in range(0, len(row), TILE_BYTES)]
        tiles = [Tile(epoch=epoch, level=level, index=index + at, hashes=piece) for at, piece in enumerate(pieces)]
        Tile.objects.bulk_create(
            tiles,
            update_conflicts=True,
            unique_fields=["epoch", "level", "index"],
            update_fields=["hashes"],
            batch_size=500,
        )
        hashes = [tile_root(piece) for piece in pieces if len(piece) == TILE_BYTES]
        level, start = level + 1, index


def _begun(epoch: int, level: int, index: int, width: int) -> bytes:
    begun = Tile.objects.filter(epoch=epoch, level=level, index=index).values_list("hashes", flat=True).first()
    hashes = bytes(begun or b"")
    if len(hashes) != width * HASH_BYTES:
        raise LogAltered(f"tile {(level, index)} of epoch {epoch}'s tree does not hold {width} hashes")
    return hashes


def tile_root(hashes: bytes) -> bytes:
    """The hash of the node above a full tile, or above the hashes of another full subtree."""
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), 2 * HASH_BYTES)
        # As `node_hash`, whose call would cost a third as much again.
        hashes = b"".join([sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest() for at in pairs])
    return hashes
