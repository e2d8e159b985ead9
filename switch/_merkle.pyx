"""Hash tree of RFC 6962 (Certificate Transparency) over leaves that come one after another.

Leaf: SHA-256(0x00 || bytes), node: SHA-256(0x01 || left || right). The tree keeps one hash for each level, not the
leaves: its whole subtrees so far are the bits that are set in the number of leaves.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from switch._blocks cimport digest_close, digest_open, digest_t
from switch._layout cimport entry_header_t

cdef extern from "openssl/evp.h" nogil:
    int EVP_DigestInit_ex(void* context, const void* algorithm, void* engine)
    int EVP_DigestUpdate(void* context, const void* data, size_t size)
    int EVP_DigestFinal_ex(void* context, uint8_t* out, unsigned int* out_bytes)

cdef enum:
    HASH_BYTES = 32
    LEVELS_MAX = 64                              # bits of the number of leaves
    LEAF_PREFIX = 0
    NODE_PREFIX = 1
cdef uint64_t NO_LEAF = <uint64_t>0xFFFFFFFFFFFFFFFF


cdef class MerkleTree:
    """A tree that grows at its end. `wanted` is the index of a leaf whose audit path is gathered on the way."""

    cdef readonly uint64_t leaf_count
    cdef uint64_t wanted
    cdef digest_t digest
    cdef uint8_t subtrees[LEVELS_MAX][HASH_BYTES]  # of 2**level leaves; there where the bit of `leaf_count` is set
    cdef bint has_wanted[LEVELS_MAX]
    cdef list siblings

    def __cinit__(self, wanted=None):
        self.leaf_count = 0
        self.wanted = NO_LEAF if wanted is None else wanted
        self.siblings = []
        if digest_open(&self.digest) != 0:
            raise MemoryError("hash tree: no memory for a digest")

    def __dealloc__(self):
        digest_close(&self.digest)

    cdef int _hash(self, uint8_t prefix, const uint8_t* first, size_t first_bytes, const uint8_t* second,
                   size_t second_bytes, uint8_t* out) except -1:
        cdef unsigned int out_bytes = 0
        if (EVP_DigestInit_ex(self.digest.context, self.digest.algorithm, NULL) != 1
                or EVP_DigestUpdate(self.digest.context, &prefix, 1) != 1
                or EVP_DigestUpdate(self.digest.context, first, first_bytes) != 1
                or (second_bytes and EVP_DigestUpdate(self.digest.context, second, second_bytes) != 1)
                or EVP_DigestFinal_ex(self.digest.context, out, &out_bytes) != 1):
            raise RuntimeError("hash tree: OpenSSL could not compute SHA-256")
        return 0

    cdef int _add(self, const uint8_t* leaf, size_t leaf_bytes) except -1:
        cdef uint8_t carried[HASH_BYTES]
        cdef bint has_wanted = self.leaf_count == self.wanted
        cdef int level = 0
        self._hash(LEAF_PREFIX, leaf, leaf_bytes, NULL, 0, carried)
        while self.leaf_count >> level & 1:
            if has_wanted:
                self.siblings.append(self.subtrees[level][:HASH_BYTES])
            elif self.has_wanted[level]:
                self.siblings.append(carried[:HASH_BYTES])
                has_wanted = True
            self._hash(NODE_PREFIX, self.subtrees[level], HASH_BYTES, carried, HASH_BYTES, carried)
            level += 1
        memcpy(self.subtrees[level], carried, HASH_BYTES)
        self.has_wanted[level] = has_wanted
        self.leaf_count += 1
        return 0

    def add(self, const uint8_t[::1] leaf not None):
        """Add one leaf."""
        self._add(&leaf[0] if leaf.shape[0] else NULL, leaf.shape[0])

    def add_entries(self, const uint8_t[::1] entries not None):
        """Add every entry of a block's body as a leaf. ValueError when they do not fill it."""
        cdef uint64_t at = 0, size_bytes = entries.shape[0]
        cdef uint32_t entry_bytes
        while at < size_bytes:
            entry_bytes = 0
            if size_bytes - at >= sizeof(entry_header_t):
                entry_bytes = (<const entry_header_t*>&entries[at]).entry_bytes
            if entry_bytes < sizeof(entry_header_t) or entry_bytes > size_bytes - at:
                raise ValueError(f"hash tree: expected whole entries up to {size_bytes}, got a broken one at {at}")
            self._add(&entries[at], entry_bytes)
            at += entry_bytes

    cdef bytes _fold(self, list path):
        """The root; what is still missing from the wanted leaf's audit path goes into `path`."""
        cdef uint8_t carried[HASH_BYTES]
        cdef bint is_begun = False, has_wanted = False
        cdef int level
        for level in range(LEVELS_MAX):
            if not self.leaf_count >> level & 1:
                continue
            if not is_begun:
                memcpy(carried, self.subtrees[level], HASH_BYTES)
                is_begun, has_wanted = True, self.has_wanted[level]
                continue
            if has_wanted:
                path.append(self.subtrees[level][:HASH_BYTES])
            elif self.has_wanted[level]:
                path.append(carried[:HASH_BYTES])
                has_wanted = True
            self._hash(NODE_PREFIX, self.subtrees[level], HASH_BYTES, carried, HASH_BYTES, carried)
        return carried[:HASH_BYTES]

    def root(self):
        """Hash of the whole tree. ValueError for a tree without leaves."""
        if self.leaf_count == 0:
            raise ValueError("hash tree: expected at least one leaf, got none")
        return self._fold([])

    def path(self):
        """Audit path of the wanted leaf, from the leaf's sibling up. ValueError when it was not added."""
        if self.wanted >= self.leaf_count:
            raise ValueError(f"hash tree: expected leaf {self.wanted} to be there, got {self.leaf_count} leaves")
        path = list(self.siblings)
        self._fold(path)
        return path
