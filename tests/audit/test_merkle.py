"""The tree is that of RFC 6962: its published vectors, and every proof at every size.

Sources: kInputs, kSHA256Roots, kSHA256Paths and kSHA256Proofs of google/certificate-transparency
(cpp/merkletree/merkle_tree_test.cc), where paths count leaves from 1; testdata of transparency-dev/merkle; the example
of RFC 6962 section 2.1.3.
"""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_privacy.audit import merkle, offline
from identity_privacy.audit.offline import leaf_hash, node_hash

LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def nodes(leaves: list[bytes]) -> merkle.NodeHash:
    def node(level: int, index: int) -> bytes:
        if level == 0:
            return leaf_hash(leaves[index])
        return node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))

    return node


def test_the_empty_tree() -> None:
    assert merkle.root(0, nodes([])) == offline.Tree().root() == hashlib.sha256(b"").digest()


@pytest.mark.parametrize(("size", "root"), list(enumerate(ROOTS, 1)))
def test_published_roots(size: int, root: str) -> None:
    assert merkle.root(size, nodes(LEAVES)).hex() == root
    assert offline.Tree(map(leaf_hash, LEAVES[:size])).root().hex() == root


@pytest.mark.parametrize(
    ("index", "size", "proof"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
        (
            1,
            5,
            [
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_published_inclusion_proofs(index: int, size: int, proof: list[str]) -> None:
    hashes = merkle.inclusion_proof(index, size, nodes(LEAVES))
    assert [part.hex() for part in hashes] == proof
    assert offline.root_of_inclusion(leaf_hash(LEAVES[index]), index, size, hashes) == bytes.fromhex(ROOTS[size - 1])


@pytest.mark.parametrize(
    ("old", "new", "proof"),
    [
        (1, 1, []),
        (
            1,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
        (
            6,
            7,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
    ],
)
def test_published_consistency_proofs(old: int, new: int, proof: list[str]) -> None:
    hashes = merkle.consistency_proof(old, new, nodes(LEAVES))
    assert [part.hex() for part in hashes] == proof
    old_root, new_root = (bytes.fromhex(ROOTS[size - 1]) for size in (old, new))
    assert offline.is_consistent(old, new, old_root, new_root, hashes)


# The nodes of the RFC's example, by the leaves that they cover.
NAMED = {letter: (at, at + 1) for letter, at in zip("abcdef", range(6), strict=True)} | {
    "j": (6, 7),
    "g": (0, 2),
    "h": (2, 4),
    "i": (4, 6),
    "k": (0, 4),
    "l": (4, 7),
}


def named(hashes: list[bytes]) -> str:
    names = {merkle.range_hash(*covered, nodes(LEAVES)): name for name, covered in NAMED.items()}
    return "".join(names[part] for part in hashes)


@pytest.mark.parametrize(("index", "path"), [(0, "bhl"), (3, "cgl"), (4, "fjk"), (6, "ik")])
def test_the_audit_paths_of_the_rfcs_example(index: int, path: str) -> None:
    assert named(merkle.inclusion_proof(index, 7, nodes(LEAVES))) == path


@pytest.mark.parametrize(("old", "proof"), [(3, "cdgl"), (4, "l"), (6, "ijk")])
def test_the_consistency_proofs_of_the_rfcs_example(old: int, proof: str) -> None:
    assert named(merkle.consistency_proof(old, 7, nodes(LEAVES))) == proof


@pytest.mark.parametrize("size", range(1, 9))
def test_every_proof_up_to_eight_leads_to_the_published_root(size: int) -> None:
    node, root = nodes(LEAVES), bytes.fromhex(ROOTS[size - 1])
    for index in range(size):
        proof = merkle.inclusion_proof(index, size, node)
        assert offline.root_of_inclusion(leaf_hash(LEAVES[index]), index, size, proof) == root
        old_root = bytes.fromhex(ROOTS[index])
        proof = merkle.consistency_proof(index + 1, size, node)
        assert offline.is_consistent(index + 1, size, old_root, root, proof)
        for wrong in ([*proof, root], proof[:-1] if proof else [root], [root, *proof]):
            assert not offline.is_consistent(index + 1, size, old_root, root, wrong)


@pytest.mark.parametrize(
    ("old", "new", "old_root", "new_root", "proof"),
    [
        (1, 0, b"", b"", []),
        (2, 1, b"", b"", []),
        (1, 2, b"", b"", []),
        (0, 0, b"one", b"other", []),
        (1, 1, b"one", b"other", []),
        (0, 0, b"root", b"root", [b"hash"]),
        (0, 1, b"root", b"root", [b"hash"]),
        (1, 1, b"root", b"root", [b"hash"]),
        (-1, 1, b"root", b"root", [b"hash"]),
    ],
)
def test_what_the_reference_refuses(old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> None:
    assert not offline.is_consistent(old, new, old_root, new_root, proof)


@given(st.integers(1, 70), st.data())
def test_every_entry_is_proven_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = [bytes([at]) for at in range(size)]
    node = nodes(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, node)
    root = merkle.root(size, node)
    assert offline.root_of_inclusion(leaf_hash(leaves[index]), index, size, proof) == root
    assert offline.root_of_inclusion(leaf_hash(b"another"), index, size, proof) != root
    other = data.draw(st.integers(-1, size))
    if other != index:
        assert offline.root_of_inclusion(leaf_hash(leaves[index]), other, size, proof) != root


@given(st.integers(0, 70), st.integers(0, 70))
def test_growth_is_proven_and_a_fork_is_not(one: int, other: int) -> None:
    old, new = sorted((one, other))
    leaves = [bytes([at]) for at in range(new)]
    node = nodes(leaves)
    proof = merkle.consistency_proof(old, new, node)
    old_root, new_root = merkle.root(old, node), merkle.root(new, node)
    assert offline.is_consistent(old, new, old_root, new_root, proof)
    if old:
        forked = merkle.root(old, nodes([b"forged", *leaves[1:]]))
        assert not offline.is_consistent(old, new, forked, new_root, proof)
