"""The tree made anew from the leaves, held against the tiles that are stored of it."""

from collections.abc import Iterator, Sequence
from typing import Final

from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.models import Tile
from identity_privacy.audit.offline import node_hash
from identity_privacy.audit.tiles import HASH_BYTES, HEIGHT, TILE_BYTES, WIDTH, tile_root

_PAGE: Final = 20


class StoredTree:
    """An epoch's tree over the leaves as they come: as its tiles fill, they must be those that are stored.

    Of each level of tiles it keeps the one that is not full. Raises: LogAltered, naming the first entry below a node
    that is another.
    """

    def __init__(self, epoch: int) -> None:
        self.size = 0
        self._epoch = epoch
        self._levels = [_Level(epoch, 0)]

    def extend(self, leaves: Sequence[bytes]) -> None:
        """The next entries' leaves."""
        self.size += len(leaves)
        self._add(0, b"".join(leaves))

    def root(self) -> bytes:
        """The root over the leaves so far: over the roots of its full subtrees, from the right."""
        result = b""
        for level in self._levels:
            end = len(level.begun)
            while end:
                # The lowest bit that is set is the size of the last full subtree.
                start = end - (end & -end)
                left = tile_root(level.begun[start:end])
                result, end = node_hash(left, result) if result else left, start
        return result

    def check_last_tiles(self) -> bool:
        """That the tiles which are not full begin as the stored ones do; says whether there is nothing else in any."""
        is_all = True
        for number, level in enumerate(self._levels):
            if level.begun:
                stored = next(level.stored, b"")
                self._compare(number, level.begun, stored[: len(level.begun)])
                is_all = is_all and len(stored) == len(level.begun)
        tiles = sum(level.full + bool(level.begun) for level in self._levels)
        return is_all and Tile.objects.filter(epoch=self._epoch).count() == tiles

    def _add(self, number: int, hashes: bytes) -> None:
        if number == len(self._levels):
            self._levels.append(_Level(self._epoch, number))
        level = self._levels[number]
        hashes = level.begun + hashes
        whole = len(hashes) - len(hashes) % TILE_BYTES
        for at in range(0, whole, TILE_BYTES):
            tile = hashes[at : at + TILE_BYTES]
            self._compare(number, tile, next(level.stored, b""))
            level.full += 1
            self._add(number + 1, tile_root(tile))
        level.begun = hashes[whole:]

    def _compare(self, number: int, tile: bytes, stored: bytes) -> None:
        if tile == stored:
            return
        places = range(0, len(tile), HASH_BYTES)
        alike = [tile[at : at + HASH_BYTES] == stored[at : at + HASH_BYTES] for at in places]
        at = alike.index(False) if False in alike else len(alike) - 1  # then the stored one goes on behind the last
        first = (self._levels[number].full * WIDTH + at) << number * HEIGHT
        node = "its leaf in the tree" if number == 0 else f"the node of level {number * HEIGHT} above it"
        raise LogAltered(f"entry {first} of epoch {self._epoch} was changed, or {node}")


class _Level:
    """One level of tiles: those that are stored, how many were full, and the next one as far as it goes."""

    def __init__(self, epoch: int, number: int) -> None:
        self.stored = _stored_tiles(epoch, number)
        self.full = 0
        self.begun = b""


def as_bytes(stored: object) -> bytes:
    """What a binary column holds; nothing where it is no bytes, since SQLite takes anything in any column."""
    return bytes(stored) if isinstance(stored, bytes | memoryview) else b""


def _stored_tiles(epoch: int, level: int) -> Iterator[bytes]:
    """A level's tiles in their order, up to the first that is missing."""
    tiles = Tile.objects.filter(epoch=epoch, level=level).order_by("index").values_list("index", "hashes")
    expected = 0
    while page := list(tiles.filter(index__gte=expected)[:_PAGE]):
        for index, hashes in page:
            if index != expected:
                return
            yield as_bytes(hashes)
            expected += 1
