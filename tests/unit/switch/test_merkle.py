"""The hash tree, against the published vectors of Certificate Transparency and the definition in RFC 6962."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch._merkle import MerkleTree

# Test data of the reference implementation (certificate-transparency, merkle_tree_test): leaves, roots of the first 1
# to 8 of them, and audit paths by (leaf, size), leaves counted from 0.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
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
PATHS = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def tree_of(leaves, wanted=None):
    tree = MerkleTree(wanted)
    for leaf in leaves:
        tree.add(leaf)
    return tree


def split(size):
    """The largest power of two below a size: where RFC 6962 parts a tree."""
    return 1 << (size - 1).bit_length() - 1


def root(leaves):
    """MTH of RFC 6962, section 2.1, as it stands there."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = split(len(leaves))
    return hashlib.sha256(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest()


def path(index, leaves):
    """PATH of RFC 6962, section 2.1.1, as it stands there."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*path(index, leaves[:k]), root(leaves[k:])]
    return [*path(index - k, leaves[k:]), root(leaves[:k])]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_published_ones(size):
    assert tree_of(LEAVES[:size]).root().hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size"), PATHS)
def test_audit_paths_are_the_published_ones(index, size):
    assert [step.hex() for step in tree_of(LEAVES[:size], index).path()] == PATHS[index, size]


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=70), st.data())
def test_root_and_path_are_as_the_definition_says(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))

    tree = tree_of(leaves, index)

    assert (tree.root(), tree.path(), tree.leaf_count) == (root(leaves), path(index, leaves), len(leaves))


def test_a_tree_without_leaves_or_without_the_wanted_one_has_no_root_or_path():
    with pytest.raises(ValueError, match="expected at least one leaf, got none"):
        MerkleTree().root()
    with pytest.raises(ValueError, match="expected leaf 3 to be there, got 3 leaves"):
        tree_of(LEAVES[:3], 3).path()


def entry(size, fill):
    return size.to_bytes(4, "little") + bytes([fill]) * (size - 4)


def test_entries_of_a_block_are_leaves_whole_and_in_order():
    entries = [entry(48, 1), entry(120, 2), entry(48, 3)]
    tree = MerkleTree()

    tree.add_entries(b"".join(entries))

    assert tree.root() == root(entries)


@pytest.mark.parametrize("body", [entry(48, 1) + bytes(8), entry(48, 1)[:-1], (40).to_bytes(4, "little") + bytes(44)])
def test_entries_that_do_not_fill_their_block_are_refused(body):
    with pytest.raises(ValueError, match="expected whole entries"):
        MerkleTree().add_entries(body)
