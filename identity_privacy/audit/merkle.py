"""Proofs in the Merkle tree of RFC 6962, over hashes that are fetched by place; `offline` checks them. Pure functions.

Nodes are named `(level, index)`: level 0 holds the leaf hashes, node `(l, i)` covers leaves `i * 2**l` up to
`(i + 1) * 2**l`, and only full nodes have a place. `NodeHash` gives the hash at a place.
"""

import hashlib
from collections.abc import Callable
from typing import TypeAlias

from identity_privacy.audit.offline import node_hash

NodeHash: TypeAlias = Callable[[int, int], bytes]

EMPTY_ROOT = hashlib.sha256(b"").digest()


def full_nodes(start: int, end: int) -> list[tuple[int, int]]:
    """The fewest full nodes that cover leaves `start` up to `end`, from left to right; `start` is aligned to the first.

    >>> full_nodes(0, 7)
    [(2, 0), (1, 2), (0, 6)]
    """
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def range_hash(start: int, end: int, node: NodeHash) -> bytes:
    """The subtree hash over leaves `start` up to `end`, where `start` is a multiple of the subtree's full size."""
    hashes = [node(level, index) for level, index in full_nodes(start, end)]
    result = hashes.pop()
    while hashes:
        result = node_hash(hashes.pop(), result)
    return result


def root(size: int, node: NodeHash) -> bytes:
    """The tree's root at `size` leaves. Source: RFC 6962 section 2.1."""
    return range_hash(0, size, node) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, node: NodeHash) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root at `size`. Source: RFC 6962 section 2.1.1."""
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_hash(middle, end, node))
            end = middle
        else:
            path.append(range_hash(start, middle, node))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, node: NodeHash) -> list[bytes]:
    """The hashes that show the tree of `old` leaves to be the beginning of that of `new`. Source: RFC 6962, 2.1.2."""
    if old in (0, new):
        return []
    start, end, path, whole = 0, new, [], True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(range_hash(middle, end, node))
            end = middle
        else:
            path.append(range_hash(start, middle, node))
            start, whole = middle, False
    if not whole:
        path.append(range_hash(start, end, node))
    return path[::-1]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
